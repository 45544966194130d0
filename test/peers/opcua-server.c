/*
 * An OPC UA server that is not ours, open62541, for test/opcua-peers.test.ts: a machine with readings that move, a set point, an array, a method, a history, users, and secured endpoints
 * where it is given a certificate.
 *
 *   opcua-server <port> [<certificate.der> <key.der>]
 *
 * Says "ready" on stdout when it listens, and ends when stdin is closed.
 */
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/plugin/historydata/history_data_backend_memory.h>
#include <open62541/plugin/historydata/history_data_gathering_default.h>
#include <open62541/plugin/historydata/history_database_default.h>
#include <open62541/plugin/historydatabase.h>
#include <open62541/plugin/pki_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

static UA_UInt16 plant;
static UA_NodeId tank;

static UA_ByteString load(const char *path) {
    UA_ByteString bytes = UA_BYTESTRING_NULL;
    FILE *file = fopen(path, "rb");
    if(!file) return bytes;
    fseek(file, 0, SEEK_END);
    UA_ByteString_allocBuffer(&bytes, (size_t)ftell(file));
    rewind(file);
    if(fread(bytes.data, 1, bytes.length, file) != bytes.length) UA_ByteString_clear(&bytes);
    fclose(file);
    return bytes;
}

static UA_NodeId addVariable(UA_Server *server, char *name, UA_VariableAttributes attributes) {
    attributes.displayName = UA_LOCALIZEDTEXT("en", name);
    UA_NodeId id;
    char text[64];
    snprintf(text, sizeof(text), "tank.%s", name);
    UA_Server_addVariableNode(server, UA_NODEID_STRING(plant, text), tank, UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT), UA_QUALIFIEDNAME(plant, name),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, NULL, &id);
    return id;
}

static UA_NodeId addDouble(UA_Server *server, char *name, UA_Double value, UA_Byte access) {
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    UA_Variant_setScalar(&attributes.value, &value, &UA_TYPES[UA_TYPES_DOUBLE]);
    attributes.dataType = UA_TYPES[UA_TYPES_DOUBLE].typeId;
    attributes.accessLevel = access;
    attributes.historizing = (access & UA_ACCESSLEVELMASK_HISTORYREAD) != 0;
    return addVariable(server, name, attributes);
}

static UA_StatusCode twice(UA_Server *server, const UA_NodeId *sessionId, void *sessionContext, const UA_NodeId *methodId, void *methodContext, const UA_NodeId *objectId, void *objectContext,
                           size_t inputSize, const UA_Variant *input, size_t outputSize, UA_Variant *output) {
    UA_Double result = *(UA_Double *)input->data * 2;
    return UA_Variant_setScalarCopy(output, &result, &UA_TYPES[UA_TYPES_DOUBLE]);
}

static void addMethod(UA_Server *server) {
    UA_Argument in, out;
    UA_Argument_init(&in);
    in.name = UA_STRING("value");
    in.dataType = UA_TYPES[UA_TYPES_DOUBLE].typeId;
    in.valueRank = UA_VALUERANK_SCALAR;
    out = in;
    out.name = UA_STRING("result");
    UA_MethodAttributes attributes = UA_MethodAttributes_default;
    attributes.executable = attributes.userExecutable = true;
    UA_Server_addMethodNode(server, UA_NODEID_STRING(plant, "tank.twice"), tank, UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT), UA_QUALIFIEDNAME(plant, "twice"), attributes, &twice, 1, &in, 1, &out, NULL, NULL);
}

static UA_NodeId level;

static void step(UA_Server *server, void *data) {
    static UA_Double value = 0;
    value += 1;
    UA_DataValue now; /* its history has source times only where they are written */
    UA_DataValue_init(&now);
    UA_Variant_setScalar(&now.value, &value, &UA_TYPES[UA_TYPES_DOUBLE]);
    now.hasValue = now.hasSourceTimestamp = true;
    now.sourceTimestamp = UA_DateTime_now();
    UA_Server_writeDataValue(server, level, now);
}

int main(int argc, char **argv) {
    UA_Server *server = UA_Server_new();
    UA_ServerConfig *config = UA_Server_getConfig(server);
    UA_UInt16 port = (UA_UInt16)atoi(argv[1]);
    UA_ByteString certificate = argc > 3 ? load(argv[2]) : UA_BYTESTRING_NULL;
    UA_ByteString key = argc > 3 ? load(argv[3]) : UA_BYTESTRING_NULL;
    if(argc > 3) UA_ServerConfig_setDefaultWithSecurityPolicies(config, port, &certificate, &key, NULL, 0, NULL, 0, NULL, 0);
    else UA_ServerConfig_setMinimal(config, port, NULL);
    if(argc > 3) { /* any client is trusted: whom we trust is what the test is about */
        config->secureChannelPKI.clear(&config->secureChannelPKI);
        UA_CertificateVerification_AcceptAll(&config->secureChannelPKI);
        config->sessionPKI.clear(&config->sessionPKI);
        UA_CertificateVerification_AcceptAll(&config->sessionPKI);
        UA_String_clear(&config->applicationDescription.applicationUri);
        config->applicationDescription.applicationUri = UA_STRING_ALLOC("urn:busbar:test:open62541");
        for(size_t at = 0; at < config->endpointsSize; at++) {
            UA_String_clear(&config->endpoints[at].server.applicationUri);
            config->endpoints[at].server.applicationUri = UA_STRING_ALLOC("urn:busbar:test:open62541");
        }
    }
    config->allowNonePolicyPassword = true;
    UA_UsernamePasswordLogin users[1] = {{UA_STRING_STATIC("operator"), UA_STRING_STATIC("a long password")}};
    config->accessControl.clear(&config->accessControl);
    UA_AccessControl_default(config, true, NULL, 1, users);
    config->maxNodesPerRead = 20;
    config->maxMonitoredItemsPerCall = 10;

    UA_HistoryDataGathering gathering = UA_HistoryDataGathering_Default(1);
    config->historyDatabase = UA_HistoryDatabase_default(gathering);
    plant = UA_Server_addNamespace(server, "urn:busbar:test:tank");
    tank = UA_NODEID_STRING(plant, "tank");
    UA_ObjectAttributes object = UA_ObjectAttributes_default;
    object.displayName = UA_LOCALIZEDTEXT("en", "tank");
    UA_Server_addObjectNode(server, tank, UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER), UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES), UA_QUALIFIEDNAME(plant, "tank"), UA_NODEID_NUMERIC(0, UA_NS0ID_BASEOBJECTTYPE), object, NULL, NULL);
    level = addDouble(server, "level", 0, UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_HISTORYREAD);
    addDouble(server, "target", 50, UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_WRITE);
    UA_Int32 numbers[3] = {1, 2, 3};
    UA_VariableAttributes array = UA_VariableAttributes_default;
    UA_Variant_setArray(&array.value, numbers, 3, &UA_TYPES[UA_TYPES_INT32]);
    array.dataType = UA_TYPES[UA_TYPES_INT32].typeId;
    array.valueRank = UA_VALUERANK_ONE_DIMENSION;
    UA_UInt32 length = 3;
    array.arrayDimensions = &length;
    array.arrayDimensionsSize = 1;
    addVariable(server, "numbers", array);
    for(int at = 0; at < 25; at++) { /* more than one call may watch */
        char name[16];
        snprintf(name, sizeof(name), "extra-%02d", at);
        addDouble(server, name, at, UA_ACCESSLEVELMASK_READ);
    }
    addMethod(server);
    UA_HistorizingNodeIdSettings settings;
    settings.historizingBackend = UA_HistoryDataBackend_Memory(1, 100000);
    settings.maxHistoryDataResponseSize = 10;
    settings.historizingUpdateStrategy = UA_HISTORIZINGUPDATESTRATEGY_VALUESET;
    settings.pollingInterval = 0;
    settings.userContext = NULL;
    gathering.registerNodeId(server, gathering.context, &level, settings);
    UA_Server_addRepeatedCallback(server, step, NULL, 50, NULL);

    if(UA_Server_run_startup(server) != UA_STATUSCODE_GOOD) return 1;
    fcntl(0, F_SETFL, O_NONBLOCK);
    puts("ready");
    fflush(stdout);
    for(char byte; read(0, &byte, 1) != 0;) UA_Server_run_iterate(server, true);
    UA_Server_run_shutdown(server);
    UA_Server_delete(server);
    return 0;
}

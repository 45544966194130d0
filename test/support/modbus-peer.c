/*
 * A Modbus TCP server by libmodbus: `modbus-peer <port>`. Registers 0, 2, 4, 6 are the float 123456.5, 47 F1 20 40, as abcd, cdab, badc, dcba. They are laid out by hand: what
 * modbus_set_float_abcd() of libmodbus 3.1.6 writes is badc on the wire of a little endian machine.
 */
#include <modbus.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count < 2) return 64;
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(words[1]));
    modbus_mapping_t *map = modbus_mapping_new(20, 20, 40, 200);
    if (context == NULL || map == NULL) return 71;
    const uint16_t floats[] = {0x47F1, 0x2040, 0x2040, 0x47F1, 0xF147, 0x4020, 0x4020, 0xF147};
    for (int at = 0; at < 8; at++) map->tab_registers[at] = floats[at];
    for (int at = 0; at < 200; at++) map->tab_input_registers[at] = 1000 + at;
    int listener = modbus_tcp_listen(context, 1);
    if (listener < 0) return 74;
    for (;;) {
        if (modbus_tcp_accept(context, &listener) < 0) return 74;
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        int length;
        while ((length = modbus_receive(context, query)) >= 0)
            if (length > 0) modbus_reply(context, query, length, map);
        modbus_close(context);
    }
}

import type { ServedMachine, ServedTag } from "./opcua-messages.ts";

/** The namespace of the data types that structures of the plant have. */
export const typesNamespace = "urn:busbar:opcua-sim:types";

/** Built-in data types (OPC 10000-6 §5.1.2). */
const dataTypes: Readonly<Record<ServedTag["kind"], string>> = { float: "i=11", int: "i=6", bool: "i=1", string: "i=12" };

/** The name of the data type of a structure: its machine and its own name, with a capital for each part. */
export function typeName(machine: string, structure: string): string {
  return `${machine}-${structure}`
    .split(/[^A-Za-z0-9]+/)
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join("");
}

/** A nodeset (OPC 10000-6 Annex F) with a data type for each structure; undefined where the plant has none. */
export function typesNodeset(machines: readonly ServedMachine[]): string | undefined {
  const types = machines.flatMap((machine) =>
    machine.composites
      .filter(({ kind }) => kind === "structure")
      .map(({ name, fields, tags }) => ({ name: typeName(machine.id, name), fields: fields.map((field, k) => `<Field Name="${field}" DataType="${dataTypes[machine.tags.find((tag) => tag.name === tags[k])!.kind]}"/>`).join("") })),
  );
  if (types.length === 0) return undefined;
  return `<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>${typesNamespace}</Uri></NamespaceUris>
  <Models><Model ModelUri="${typesNamespace}" Version="1.0.0" PublicationDate="2026-01-01T00:00:00Z"><RequiredModel ModelUri="http://opcfoundation.org/UA/"/></Model></Models>
  <Aliases><Alias Alias="HasSubtype">i=45</Alias><Alias Alias="HasEncoding">i=38</Alias><Alias Alias="HasTypeDefinition">i=40</Alias></Aliases>
${types
  .map(
    ({ name, fields }, k) => `  <UADataType NodeId="ns=1;i=${2 * k + 1}" BrowseName="1:${name}">
    <DisplayName>${name}</DisplayName>
    <References><Reference ReferenceType="HasSubtype" IsForward="false">i=22</Reference></References>
    <Definition Name="1:${name}">${fields}</Definition>
  </UADataType>
  <UAObject NodeId="ns=1;i=${2 * k + 2}" BrowseName="Default Binary" SymbolicName="DefaultBinary">
    <DisplayName>Default Binary</DisplayName>
    <References><Reference ReferenceType="HasEncoding" IsForward="false">ns=1;i=${2 * k + 1}</Reference><Reference ReferenceType="HasTypeDefinition">i=76</Reference></References>
  </UAObject>`,
  )
  .join("\n")}
</UANodeSet>
`;
}

/** The namespace of the fixture's own data types. */
export const pressNamespace = "urn:busbar:test:types";

/**
 * A nodeset (OPC 10000-6 Annex F) with data types that a machine builder would bring: `PressState` (an enumeration), `OldMode` (one that has EnumStrings in place of a definition, as before 1.04), `Point` (a structure), `Recipe` (a
 * structure with a nested structure, arrays, a 64-bit counter and an optional field), `Limit` (a union).
 */
export const pressNodeset = `<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>${pressNamespace}</Uri></NamespaceUris>
  <Models><Model ModelUri="${pressNamespace}" Version="1.0.0" PublicationDate="2026-01-01T00:00:00Z"><RequiredModel ModelUri="http://opcfoundation.org/UA/"/></Model></Models>
  <Aliases>
    <Alias Alias="HasSubtype">i=45</Alias><Alias Alias="HasEncoding">i=38</Alias><Alias Alias="HasTypeDefinition">i=40</Alias><Alias Alias="HasProperty">i=46</Alias>
  </Aliases>
  <UADataType NodeId="ns=1;i=3000" BrowseName="1:PressState">
    <DisplayName>PressState</DisplayName>
    <References><Reference ReferenceType="HasSubtype" IsForward="false">i=29</Reference><Reference ReferenceType="HasProperty">ns=1;i=3001</Reference></References>
    <Definition Name="1:PressState"><Field Name="Idle" Value="0"/><Field Name="Pressing" Value="1"/><Field Name="Jammed" Value="7"/></Definition>
  </UADataType>
  <UAVariable NodeId="ns=1;i=3001" BrowseName="EnumValues" ParentNodeId="ns=1;i=3000" DataType="i=7594" ValueRank="1" ArrayDimensions="3">
    <DisplayName>EnumValues</DisplayName>
    <References><Reference ReferenceType="HasTypeDefinition">i=68</Reference><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i=3000</Reference></References>
    <Value><ListOfExtensionObject xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd">
      ${[["Idle", 0], ["Pressing", 1], ["Jammed", 7]].map(([name, value]) => `<ExtensionObject><TypeId><Identifier>i=7616</Identifier></TypeId><Body><EnumValueType><Value>${value}</Value><DisplayName><Text>${name}</Text></DisplayName></EnumValueType></Body></ExtensionObject>`).join("\n      ")}
    </ListOfExtensionObject></Value>
  </UAVariable>
  <UADataType NodeId="ns=1;i=3005" BrowseName="1:OldMode">
    <DisplayName>OldMode</DisplayName>
    <References><Reference ReferenceType="HasSubtype" IsForward="false">i=29</Reference><Reference ReferenceType="HasProperty">ns=1;i=3006</Reference></References>
  </UADataType>
  <UAVariable NodeId="ns=1;i=3006" BrowseName="EnumStrings" ParentNodeId="ns=1;i=3005" DataType="i=21" ValueRank="1" ArrayDimensions="2">
    <DisplayName>EnumStrings</DisplayName>
    <References><Reference ReferenceType="HasTypeDefinition">i=68</Reference><Reference ReferenceType="HasProperty" IsForward="false">ns=1;i=3005</Reference></References>
    <Value><ListOfLocalizedText xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd"><LocalizedText><Text>Manual</Text></LocalizedText><LocalizedText><Text>Automatic</Text></LocalizedText></ListOfLocalizedText></Value>
  </UAVariable>
  ${structure("Point", 3010, "i=22", `<Field Name="X" DataType="i=11"/><Field Name="Y" DataType="i=11"/>`)}
  ${structure("Recipe", 3020, "i=22", `<Field Name="Name" DataType="i=12"/><Field Name="Steps" DataType="i=6" ValueRank="1"/><Field Name="Origin" DataType="ns=1;i=3010"/><Field Name="Path" DataType="ns=1;i=3010" ValueRank="1"/><Field Name="State" DataType="ns=1;i=3000"/><Field Name="Produced" DataType="i=9"/><Field Name="Made" DataType="i=13"/><Field Name="Comment" DataType="i=12" IsOptional="true"/>`)}
  ${structure("Limit", 3030, "i=12756", `<Field Name="Force" DataType="i=11"/><Field Name="Count" DataType="i=7"/>`, ' IsUnion="true"')}
</UANodeSet>`;

function structure(name: string, id: number, base: string, fields: string, kind = ""): string {
  return `<UADataType NodeId="ns=1;i=${id}" BrowseName="1:${name}">
    <DisplayName>${name}</DisplayName>
    <References><Reference ReferenceType="HasSubtype" IsForward="false">${base}</Reference></References>
    <Definition Name="1:${name}"${kind}>${fields}</Definition>
  </UADataType>
  <UAObject NodeId="ns=1;i=${id + 1}" BrowseName="Default Binary" SymbolicName="DefaultBinary">
    <DisplayName>Default Binary</DisplayName>
    <References><Reference ReferenceType="HasEncoding" IsForward="false">ns=1;i=${id}</Reference><Reference ReferenceType="HasTypeDefinition">i=76</Reference></References>
  </UAObject>`;
}

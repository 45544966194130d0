/** What a kind of file says of itself in its SQLite header (sqlite.org/fileformat2.html#the_database_header). */
export interface SchemaVersion {
  /** The header's application id: tells our files from other programs' and the two kinds apart. */
  readonly applicationId: number;
  /** The header's user version once all migrations have run: how many there are. */
  readonly version: number;
}

/** The file of the journal: "BBJ1". */
export const journalSchema: SchemaVersion = { applicationId: 0x42424a31, version: 3 };
/** The file of the series: "BBS1". */
export const seriesSchema: SchemaVersion = { applicationId: 0x42425331, version: 2 };

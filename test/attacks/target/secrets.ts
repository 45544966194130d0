/** What must never be seen from outside, by name. */
export class Secrets {
  readonly #forms = new Map<string, readonly string[]>();

  /** Adds one; gives it back. */
  keep(name: string, text: string): string {
    if (text.length < 12) throw new RangeError(`Cannot look for ${name}: a secret of ${text.length} characters may be found by chance`);
    const bytes = Buffer.from(text);
    this.#forms.set(name, [text, JSON.stringify(text).slice(1, -1), bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url"), bytes.toString("hex")]);
    return text;
  }

  /** A token: its signature is the secret, as who has it and knows the claims has the token. */
  keepToken(name: string, token: string): string {
    const signature = token.split(".")[2] ?? "";
    this.keep(name, signature.length >= 12 ? signature : token);
    return token;
  }

  /** The names of those that stand in a large file as they are. */
  foundInFile(bytes: Buffer): readonly string[] {
    return [...this.#forms].flatMap(([name, [text]]) => (bytes.includes(text!) ? [name] : []));
  }

  /** The names of those that stand in `text`, as they are or as base64, base64url or hexadecimal digits. */
  foundIn(text: string): readonly string[] {
    return [...this.#forms].flatMap(([name, forms]) => (forms.some((form) => text.includes(form)) ? [name] : []));
  }
}

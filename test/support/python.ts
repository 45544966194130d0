import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const runs = (program: string, args: readonly string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
const python = ["python3", "/usr/bin/python3"].find((program) => runs(program, ["-c", "import google.protobuf"]));
/** Why tests that need Python are skipped here, or false. */
export const withoutPython = python === undefined ? "python3 with protobuf is missing (apt-get install python3-protobuf)" : runs("protoc", ["--version"]) ? false : "protoc is missing (apt-get install protobuf-compiler)";

/** Python as it is installed, with whatever packages. */
export const barePython = ["python3", "/usr/bin/python3"].find((program) => runs(program, ["-c", "import hmac"]));
/** Why tests that need only that are skipped here, or false. */
export const withoutBarePython = barePython === undefined ? "python3 is missing" : false;

const protos = fileURLToPath(new URL("../../core/proto", import.meta.url));
const script = fileURLToPath(new URL("../python-client.py", import.meta.url));

/** A client that no one of us wrote: protoc's own Python code over a plain socket. */
export class PythonClient implements AsyncDisposable {
  readonly #generated: string;

  private constructor(generated: string) {
    this.#generated = generated;
  }

  /** Generates the Python code into a temporary folder. */
  static async create(): Promise<PythonClient> {
    const generated = await mkdtemp(join(tmpdir(), "busbar-python-"));
    await promisify(execFile)("protoc", [`--proto_path=${protos}`, `--python_out=${generated}`, "busbar/v1/devices.proto", "busbar/v1/envelope.proto"]);
    return new PythonClient(generated);
  }

  /** Runs the script against the listener at `url`, such as tcp://127.0.0.1:7000. Gives what it printed. */
  async run(url: string, codec: string): Promise<string> {
    const { stdout } = await promisify(execFile)(python!, [script, new URL(url).port, codec], { env: { ...process.env, PYTHONPATH: this.#generated, PYTHONDONTWRITEBYTECODE: "1" }, timeout: 60_000 });
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#generated, { recursive: true, force: true });
  }
}

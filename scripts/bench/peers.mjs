/** The programs to compare with, in a directory of their own, with pinned versions: `npm run bench` is asking for them. */
import fs from "node:fs";
import path from "node:path";
import { MLX_VERSION } from "../lib/mlx-wheels.mjs";
import { progress, SetupError } from "../lib/report.mjs";
import { output, runLogged } from "../lib/run.mjs";

const LLAMA_VERSION = "3.22.1";
const PYTHON_PACKAGES = ["mlx-lm==0.32.2", "gguf==0.19.0", `mlx==${MLX_VERSION}`];
if (process.platform === "linux") PYTHON_PACKAGES.push(`mlx-cpu==${MLX_VERSION}`);

/**
 * A directory whose node_modules has node-llama-cpp, or why there is none.
 * @returns {Promise<{ directory?: string, version?: string, missing?: string }>}
 */
export async function llamaPeer({ dir, llama, install, variant }) {
  const directory = llama ?? path.join(dir, "llama");
  const platform = platformPackage();
  const packages = [`node-llama-cpp@${LLAMA_VERSION}`, `${platform}@${LLAMA_VERSION}`];
  // Optional ones are its builds for every GPU and processor: half a gigabyte that would not be used.
  const args = ["install", "--prefix", directory, "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
  const manifest = path.join(directory, "node_modules", "node-llama-cpp", "package.json");
  if (!fs.existsSync(manifest)) {
    const command = `npm ${[...args, ...packages].join(" ")}`;
    if (llama || !install) return { missing: `node-llama-cpp is not in ${directory}. Bring it with: ${command}` };
    progress(`bringing node-llama-cpp ${LLAMA_VERSION} into ${directory}...`);
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(path.join(directory, "package.json"), '{ "private": true }\n');
    await runLogged(path.join(dir, "npm.log"), "npm", [...args, ...packages], { cwd: directory });
  }
  const { version } = JSON.parse(fs.readFileSync(manifest, "utf8"));
  return { directory: variant ? onlyVariant(directory, dir, platform, variant) : directory, version };
}

/**
 * A Python that has mlx-lm and gguf, or why there is none.
 * @returns {Promise<{ python?: string, version?: string, missing?: string }>}
 */
export async function pythonPeer({ dir, python, install }) {
  const environment = path.join(dir, "python");
  const program = python ?? path.join(environment, "bin", "python");
  const installing = ["-m", "pip", "install", "--disable-pip-version-check", ...PYTHON_PACKAGES];
  if (mlxLmVersion(program) === undefined) {
    const venv = python ? "" : `python3 -m venv ${environment} && `;
    const missing = `mlx-lm and gguf are not in ${program}. Bring them with: ${venv}${program} ${installing.join(" ")}`;
    if (python || !install) return { missing };
    progress(`bringing mlx-lm and gguf into ${environment}...`);
    const log = path.join(dir, "pip.log");
    await runLogged(log, "python3", ["-m", "venv", environment], {
      hint: "It needs Python 3 with venv (python3-venv).",
    });
    await runLogged(log, program, installing);
  }
  return { python: program, version: mlxLmVersion(program) };
}

function mlxLmVersion(program) {
  const code = "import gguf, mlx.core, mlx_lm; from importlib.metadata import version; print(version('mlx-lm'))";
  return output(program, ["-c", code])?.trim();
}

/** npm's package with llama.cpp as it was built for this machine. */
function platformPackage() {
  const { platform, arch } = process;
  return `@node-llama-cpp/${platform === "darwin" ? `mac-${arch}-metal` : `${platform}-${arch}`}`;
}

/** llama.cpp takes the best build for the processor that lies beside it: here only one lies there. */
function onlyVariant(directory, dir, platform, variant) {
  const from = path.join(directory, "node_modules");
  const builds = fs
    .readdirSync(path.join(from, platform), { recursive: true })
    .filter((file) => /libggml-cpu-[^/]*\.so$/.test(file));
  const nameOf = (file) => /libggml-cpu-(.*)\.so$/.exec(file)?.[1];
  if (!builds.some((file) => nameOf(file) === variant))
    throw new SetupError(`llama.cpp has no build '${variant}' here, but ${builds.map(nameOf).sort().join(", ")}.`);
  const to = path.join(dir, `llama-${variant}`, "node_modules");
  fs.rmSync(path.dirname(to), { recursive: true, force: true });
  fs.mkdirSync(path.join(to, "@node-llama-cpp"), { recursive: true });
  // Copies, since a link would be followed to the place where all builds lie; what they depend on is linked.
  for (const name of fs.readdirSync(from)) {
    if (name !== "node-llama-cpp" && !name.startsWith("@node-llama-cpp") && !name.startsWith("."))
      fs.symlinkSync(path.join(from, name), path.join(to, name));
  }
  for (const name of ["node-llama-cpp", platform])
    fs.cpSync(path.join(from, name), path.join(to, name), { recursive: true });
  for (const file of builds) if (nameOf(file) !== variant) fs.rmSync(path.join(to, platform, file));
  return path.dirname(to);
}

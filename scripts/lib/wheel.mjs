import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { paths } from "./paths.mjs";
import { SetupError } from "./report.mjs";
import { checkPip } from "./requirements.mjs";
import { runLogged } from "./run.mjs";

/** Only how pip picks among wheels for other Pythons; every wheel here is of plain files. */
const PYTHON_VERSION = "3.12";

/**
 * @typedef {object} Wheel
 * @property {string} project name on the package index
 * @property {string} version
 * @property {string} platform pip's platform tag, or "any"
 * @property {string} sha256 of the wheel file, in hex
 */

/**
 * Downloads one pinned wheel with pip into `build/downloads` and gives its path. What is there with the right hash is
 * not fetched again; pip itself refuses a file with another hash.
 * @param {Wheel} wheel
 */
export async function fetchWheel(wheel) {
  const { project, version, platform, sha256 } = wheel;
  const directory = path.join(paths.downloads, sha256.slice(0, 16));
  const present = wheelIn(directory, sha256);
  if (present) return present;

  checkPip();
  const partial = `${directory}.partial-${process.pid}`;
  fs.rmSync(partial, { recursive: true, force: true });
  fs.mkdirSync(partial, { recursive: true });
  try {
    const requirements = path.join(partial, "requirements.txt");
    fs.writeFileSync(requirements, `${project}==${version} --hash=sha256:${sha256}\n`);
    const target = platform === "any" ? [] : ["--platform", platform];
    await runLogged(
      path.join(paths.build, `pip-${project}.log`),
      "python3",
      [
        ...["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"],
        ...["--disable-pip-version-check", "--python-version", PYTHON_VERSION, ...target],
        ...["--dest", partial, "-r", requirements],
      ],
      {
        hint: `Could not download ${project} ${version}. Check the network (pip honours HTTPS_PROXY and PIP_INDEX_URL) and try again.`,
      },
    );
    if (!wheelIn(partial, sha256)) throw new SetupError(`pip brought no ${project} ${version} with sha256 ${sha256}.`);
    fs.rmSync(directory, { recursive: true, force: true });
    fs.renameSync(partial, directory);
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
  return wheelIn(directory, sha256);
}

/** Unpacks a wheel into a directory that must not exist yet. Permissions are not kept: Python's zipfile drops them. */
export async function unpackWheel(file, directory) {
  await runLogged(path.join(paths.build, "unpack.log"), "python3", ["-m", "zipfile", "-e", file, directory]);
}

function wheelIn(directory, sha256) {
  if (!fs.existsSync(directory)) return undefined;
  const name = fs.readdirSync(directory).find((entry) => entry.endsWith(".whl"));
  if (name === undefined) return undefined;
  const file = path.join(directory, name);
  return crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex") === sha256 ? file : undefined;
}

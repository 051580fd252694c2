/**
 * `npm run make-packages`: what is published, as directories and tarballs in `packages/`:
 *   punie                    the package without an addon; the platforms' packages are its optional dependencies
 *   @punie/linux-x64-cpu     (and so on) this platform's addon with MLX, from `prebuilds/`, made first where needed
 * `--backend cuda12` adds the package of that backend. Each platform makes its own; `punie` is the same from all.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { BACKENDS, backendHere, packageName, prebuildName } from "./lib/backends.mjs";
import { npm } from "./lib/build-tools.mjs";
import { MLX_VERSION } from "./lib/mlx-wheels.mjs";
import { paths } from "./lib/paths.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { run } from "./lib/run.mjs";

const PACKAGES = path.join(paths.root, "packages");
const manifest = JSON.parse(fs.readFileSync(path.join(paths.root, "package.json"), "utf8"));

await runMain(async () => {
  const { values } = parseArgs({ options: { backend: { type: "string", multiple: true, default: [] } } });
  const others = values.backend.map((name) => backendHere(name));
  const script = path.join(paths.root, "scripts", "prebuild.mjs");
  for (const arg of [[], ...others.map(({ backend }) => ["--backend", backend])])
    await run(process.execPath, [script, "--if-needed", ...arg], { cwd: paths.root });

  fs.rmSync(PACKAGES, { recursive: true, force: true });
  const made = [makeMain(), makePlatform(backendHere()), ...others.map(makePlatform)];
  for (const directory of made) pack(directory);
});

function makeMain() {
  const directory = path.join(PACKAGES, "punie");
  const [{ files }] = JSON.parse(runNpm(["pack", "--dry-run", "--json", "--ignore-scripts"], paths.root));
  for (const { path: name } of files.filter(({ path: name }) => !name.startsWith("prebuilds/")))
    fs.cpSync(path.join(paths.root, name), path.join(directory, name));
  const usual = BACKENDS.filter(({ isDefault }) => isDefault);
  const { prepack: _, ...scripts } = manifest.scripts;
  writeManifest(directory, {
    ...manifest,
    scripts,
    optionalDependencies: Object.fromEntries(usual.map((backend) => [packageName(backend), manifest.version])),
  });
  return directory;
}

function makePlatform(backend) {
  const directory = path.join(PACKAGES, prebuildName({ ...backend, isDefault: false }));
  fs.cpSync(path.join(paths.prebuilds, prebuildName(backend)), directory, { recursive: true });
  for (const name of ["LICENSE", "THIRD_PARTY_NOTICES.md", "licenses"])
    fs.cpSync(path.join(paths.root, name), path.join(directory, name), { recursive: true });
  const { platform, arch, backend: device } = backend;
  const description = `punie's native addon with MLX ${MLX_VERSION}, for ${platform}-${arch} (${device}).`;
  writeManifest(directory, {
    name: packageName(backend),
    version: manifest.version,
    description,
    license: manifest.license,
    os: [platform],
    cpu: [arch],
    ...(platform === "linux" ? { libc: ["glibc"] } : {}),
    engines: manifest.engines,
    // A library can't be loaded out of Yarn's archive.
    preferUnplugged: true,
  });
  const text = `# ${packageName(backend)}\n\n${description} Not for use by itself: install [punie](https://www.npmjs.com/package/punie).\n`;
  fs.writeFileSync(path.join(directory, "README.md"), text);
  return directory;
}

function writeManifest(directory, content) {
  fs.writeFileSync(path.join(directory, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
}

function pack(directory) {
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", PACKAGES];
  const [{ name, filename, size, unpackedSize }] = JSON.parse(runNpm(args, directory));
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  progress(`${name}: packages/${path.basename(filename)}, ${megabytes(size)} (${megabytes(unpackedSize)} unpacked)`);
}

function runNpm(args, cwd) {
  const [command, first] = npm();
  const { status, stdout, stderr } = spawnSync(command, [...first, ...args], { cwd, encoding: "utf8" });
  if (status !== 0) throw new SetupError(`npm ${args.join(" ")} failed: ${stderr}`);
  return stdout;
}

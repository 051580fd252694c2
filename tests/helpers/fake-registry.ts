/** A registry on loopback that has a few packages of ours, and sends whoever asks for others to the real one. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A package.json, and its tarball: none for a package that is only listed. */
export interface Published {
  manifest: { name: string; version: string } & Record<string, unknown>;
  tarball?: string;
}

export interface FakeRegistry {
  url: string;
  /** The names of the tarballs that were fetched. */
  fetched: string[];
  close: () => Promise<void>;
}

export async function fakeRegistry(packages: readonly Published[], real: string): Promise<FakeRegistry> {
  const fetched: string[] = [];
  const server = createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? "").slice(1));
    const wanted = packages.find(({ manifest }) => name === manifest.name || name === `${manifest.name}.tgz`);
    if (wanted === undefined) {
      response.writeHead(302, { location: new URL(request.url ?? "", real).href }).end();
    } else if (name.endsWith(".tgz")) {
      fetched.push(wanted.manifest.name);
      response.end(wanted.tarball ? readFileSync(wanted.tarball) : "");
    } else {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(packument(wanted, url())));
    }
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: url(),
    fetched,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function packument({ manifest, tarball }: Published, url: string): object {
  const hash = createHash("sha512").update(tarball ? readFileSync(tarball) : "");
  const dist = {
    tarball: `${url}${encodeURIComponent(`${manifest.name}.tgz`)}`,
    integrity: `sha512-${hash.digest("base64")}`,
  };
  const { name, version } = manifest;
  return { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
}

// Packs what Vite built, dist/, into bundle/, where the crate `neargate-console` takes it from: each
// file in gzip, as it is sent. Says how large a first load is, and fails when it is too large.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';

const [dist, bundle] = ['dist', 'bundle'];
const MOST_BYTES = 1.5 * 1024 * 1024;

function* files(at) {
  for (const name of readdirSync(at)) {
    const path = join(at, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

for (const name of readdirSync(bundle)) {
  if (name !== '.gitignore') rmSync(join(bundle, name), { recursive: true });
}
const sizes = new Map();
for (const path of files(dist)) {
  const name = relative(dist, path);
  const packed = gzipSync(readFileSync(path), { level: 9 });
  const to = join(bundle, `${name}.gz`);
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, packed);
  sizes.set(name, packed.length);
}

// What the document names, and what these scripts import before anything runs.
const first = new Set();
const take = (name) => {
  if (first.has(name) || !sizes.has(name)) return;
  first.add(name);
  if (!name.endsWith('.js')) return;
  const text = readFileSync(join(dist, name), 'utf8');
  for (const [, imported] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) take(join(dirname(name), imported));
};
for (const [, name] of readFileSync(join(dist, 'index.html'), 'utf8').matchAll(/(?:src|href)="\/console\/([^"]+)"/g)) take(name);
const sum = (names) => [...names].reduce((all, name) => all + sizes.get(name), 0);
const kib = (bytes) => `${Math.round(bytes / 1024)} KiB`;
console.log(`console: ${sizes.size} files, ${kib(sum(sizes.keys()))} in gzip; first load ${kib(sum(first))}`);
if (sum(first) > MOST_BYTES) {
  console.error('console: the first load is larger than 1.5 MB');
  process.exit(1);
}

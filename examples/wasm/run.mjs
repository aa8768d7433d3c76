// run.mjs -- runs a program that was built for wasm32, under Node, with the command line that any program takes.
//
//   node run.mjs program.wasm --in x=x.npy --out-dir results
//
// Node 18 or later. The program sees the current folder and, by their full names, all others.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, ...args] = process.argv.slice(2);
if (!file) {
  console.error('usage: node run.mjs PROGRAM.wasm [OPTION...]');
  process.exit(2);
}
const wasi = new WASI({ version: 'preview1', args: [file, ...args], preopens: { '.': '.', '/': '/' }, returnOnExit: true });
const imports = { wasi_snapshot_preview1: wasi.wasiImport };
const { instance } = await WebAssembly.instantiate(await readFile(file), imports);
process.exitCode = wasi.start(instance);

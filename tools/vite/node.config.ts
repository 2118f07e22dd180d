// How tools/bundled.mjs builds a program of this repository for Node. A file of its own, since Node 20 does not read TypeScript.
import { defineConfig } from 'vite';
import { fileUrl } from './file-url.ts';
import { shaders } from './shaders.ts';
import { xgrammar } from './xgrammar.ts';

export default defineConfig({ plugins: [fileUrl(), shaders(), xgrammar()] });

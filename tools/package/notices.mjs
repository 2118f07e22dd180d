// THIRD_PARTY_NOTICES.md: whose code is part of the built modules, and under which licences.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a package is made of beyond its own code, which is not written anywhere in it. */
const WITHIN = {
  '@mlc-ai/web-xgrammar': [
    ['Its notice', 'xgrammar-notice.txt'],
    ['picojson, which is part of it (BSD-2-Clause)', 'picojson.txt'],
    ['Emscripten and musl, of whose libraries parts are in it (MIT)', 'emscripten.txt'],
  ],
};

/** The package in node_modules that `moduleId` is a file of; undefined for files of our own. */
export function packageOf(moduleId) {
  if (moduleId.includes('ternion:xgrammar-factory')) return '@mlc-ai/web-xgrammar';
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(moduleId)?.[1];
}

/** The notices for `packages`, by name, as a text in Markdown. `root` is the folder that has node_modules. */
export function noticesOf(packages, root) {
  const texts = readLicences([...packages].sort(), root);
  const head =
    '# Third-party notices\n\n' +
    'The built modules of Ternion contain code of the packages below, under their licences. `npm run build` writes this file.\n';
  return [head, ...texts].join('\n');
}

function readLicences(names, root) {
  const apache = readFileSync(join(root, 'node_modules/comlink/LICENSE'), 'utf8');
  return names.map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    if (!file && license !== 'Apache-2.0') throw new Error(`${name} has no licence that could be quoted.`);
    const own = file ? readFileSync(join(folder, file), 'utf8') : terms(apache);
    const within = (WITHIN[name] ?? []).map(([title, text]) => {
      const path = join(root, 'tools/package/licences', text);
      return `${title}:\n\n${indented(readFileSync(path, 'utf8'))}`;
    });
    return [`## ${name} ${version} (${license})\n\n${indented(own)}`, ...within].join('\n');
  });
}

/** The Apache licence without the appendix, in which a package names its owner. */
function terms(apache) {
  return apache.slice(0, apache.indexOf('APPENDIX:')).trimEnd();
}

function indented(text) {
  const lines = text.replace(/\s+$/, '').split(/\r?\n/);
  while (lines[0]?.trim() === '') lines.shift();
  return lines.map((line) => `    ${line}`.trimEnd()).join('\n') + '\n';
}

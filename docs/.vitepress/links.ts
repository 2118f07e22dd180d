// Which pages stand for which files: docs/ is the root of the site, and some files that lie beside it are pages too.
import { posix } from 'node:path';

/** Files outside of docs/, by their path in the repository, and the names of their pages. */
export const OUTSIDE: Readonly<Record<string, string>> = {
  'CHANGELOG.md': 'changelog',
  'CONTRIBUTING.md': 'contributing',
  'SECURITY.md': 'security',
  'THIRD_PARTY_NOTICES.md': 'notices',
  'bench/results/README.md': 'results',
  'bench/results/isa.md': 'isa',
  'bench/results/llvmpipe.md': 'llvmpipe',
  'bench/results/swiftshader-driver.md': 'swiftshader-driver',
};

const FILES = new Map(Object.entries(OUTSIDE).map(([file, page]) => [`${page}.md`, file]));

/**
 * Where a link leads that stands on the page `page` (a path below docs/, as VitePress has it). Links that leave the site, and
 * those that are none of its pages, stay as they are: the build fails for the latter.
 */
export function siteLink(href: string, page: string): string {
  const [, path = '', anchor = ''] = /^([^#]*)(#.*)?$/.exec(href) ?? [];
  if (!path || /^[a-z]+:/i.test(path)) return href;
  const file = FILES.get(page) ?? `docs/${page}`;
  const target = posix.join(posix.dirname(file), path);
  const outside = OUTSIDE[target] ?? OUTSIDE[`${target}/README.md`];
  const name = outside
    ? `${outside}.md`
    : target.startsWith('docs/')
      ? target.slice('docs/'.length)
      : undefined;
  if (name === undefined) return href;
  const relative = posix.relative(posix.dirname(page), name);
  return `${relative.startsWith('.') ? '' : './'}${relative}${anchor}`;
}

// The documentation's site: what the side bar lists is there, and links lead where they lead in the repository.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OUTSIDE, siteLink } from '../../../docs/.vitepress/links';
import { SECTIONS } from '../../../docs/.vitepress/sections';

const docs = join(import.meta.dirname, '../../../docs');

describe('the side bar', () => {
  const listed = SECTIONS.flatMap(({ items = [] }) => items.map(({ link = '' }) => link.slice(1)));
  const files = readdirSync(docs).filter((name) => /^\w[\w-]*\.md$/.test(name) && name !== 'index.md');
  const pages = [...files.map((name) => name.replace(/\.md$/, '')), ...Object.values(OUTSIDE), 'reference/'];

  it('lists every page, once, and nothing else', () => {
    expect([...listed].sort()).toEqual([...pages].sort());
  });
});

describe('links', () => {
  it.each([
    ['a page beside it', 'loading.md#sources', 'api.md', './loading.md#sources'],
    ['an anchor of its own', '#sources', 'loading.md', '#sources'],
    ['a file of the root', '../SECURITY.md', 'architecture.md', './security.md'],
    ['from a file of the root to a page', 'docs/loading.md#sources', 'changelog.md', './loading.md#sources'],
    ['from a file of the root to another', 'SECURITY.md', 'changelog.md', './security.md'],
    ['a folder of results', '../bench/results', 'performance.md', './results.md'],
    ['from results to a page', '../../docs/performance.md', 'results.md', './performance.md'],
    ['from a page of the reference', '../api.md', 'reference/index.md', '../api.md'],
    ['another site', 'https://wesl-lang.dev', 'architecture.md', 'https://wesl-lang.dev'],
    ['what is no page', '../LICENSE', 'api.md', '../LICENSE'],
  ])('%s', (_, href, page, expected) => {
    expect(siteLink(href, page)).toBe(expected);
  });
});

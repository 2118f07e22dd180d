// The pages of the site that are files outside of docs/.
import { readFileSync } from 'node:fs';
import { OUTSIDE } from './.vitepress/links.ts';

export default {
  paths: () =>
    Object.entries(OUTSIDE).map(([file, page]) => ({
      params: { page },
      content: readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'),
    })),
};

// The documentation as a site: the files of docs/ as they are, what lies beside that folder, and the reference that TypeDoc makes.
import { defineConfig, type MarkdownRenderer } from 'vitepress';
import { OUTSIDE, siteLink } from './links.ts';
import { SECTIONS } from './sections.ts';

/** Where the site will be: an absolute path. The demo, when it is built, links to `docs/` beside itself. */
const base = process.env.SITE_BASE ?? '/docs/';

/** Links lead where they lead in the repository. */
function mapLinks(md: MarkdownRenderer): void {
  const render =
    md.renderer.rules['link_open'] ?? ((tokens, i, options, _, self) => self.renderToken(tokens, i, options));
  md.renderer.rules['link_open'] = (tokens, i, options, env, self) => {
    const token = tokens[i];
    const href = token?.attrGet('href');
    if (href) token?.attrSet('href', siteLink(href, (env as { relativePath: string }).relativePath));
    return render(tokens, i, options, env, self);
  };
}

export default defineConfig({
  title: 'Ternion',
  description: "Ternary language models in the browser, on the visitor's own GPU.",
  base,
  outDir: '../dist/site',
  cacheDir: '../node_modules/.vitepress',
  cleanUrls: false,
  lastUpdated: false,
  // Angle brackets in the text are text, not components.
  markdown: { html: false, config: mapLinks },
  // A link to nowhere fails the build; these are answered by whoever runs the demo.
  ignoreDeadLinks: [/^https?:\/\/localhost/],
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/quick-start' },
      { text: 'API', link: '/api' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Changes', link: `/${OUTSIDE['CHANGELOG.md']}` },
    ],
    sidebar: [...SECTIONS],
  },
});

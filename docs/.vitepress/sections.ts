// What the side bar of the site lists. A test sees to it that no page is missing.
import type { DefaultTheme } from 'vitepress';

const page = (text: string, name: string): DefaultTheme.SidebarItem => ({ text, link: `/${name}` });

export const SECTIONS: readonly DefaultTheme.SidebarItem[] = [
  {
    text: 'Begin',
    items: [
      page('Quick start', 'quick-start'),
      page('Bundlers and runtimes', 'bundlers'),
      page('Models', 'models'),
      page('Loading', 'loading'),
      page('Hosting models', 'hosting'),
      page('The demo page', 'demo'),
      page('Browsers', 'browsers'),
      page('Beside other engines', 'comparison'),
      page('When something fails', 'troubleshooting'),
    ],
  },
  {
    text: 'Use',
    items: [
      page('API', 'api'),
      page('Reference', 'reference/'),
      page('Shapes of answers', 'structured-output'),
      page('Tools', 'tools'),
      page('One engine for all tabs', 'sharing'),
      page('Content-Security-Policy', 'security-policies'),
    ],
  },
  {
    text: 'Use what you know',
    items: [
      page("OpenAI's API", 'openai'),
      page('AI SDK', 'ai-sdk'),
      page('Prompt API', 'prompt-api'),
      page('React', 'react'),
      page('Vue and Svelte', 'frameworks'),
      page('Node', 'node'),
      page('Over a server', 'connect'),
      page("Behind the page's origin", 'service-worker'),
    ],
  },
  {
    text: 'How it works',
    items: [
      page('Architecture', 'architecture'),
      page('Performance', 'performance'),
      page('Reliability', 'reliability'),
      page('Security', 'security'),
      page('Adding a model', 'adding-a-model'),
      page('Looking for a fault in a kernel', 'debugging'),
      page('Contributing', 'contributing'),
      page('Changes', 'changelog'),
      page('Third-party notices', 'notices'),
      page('Registers of real GPUs', 'isa'),
      page('Results of benchmarks', 'results'),
      page('Results: lavapipe', 'llvmpipe'),
      page('Results: SwiftShader', 'swiftshader-driver'),
    ],
  },
];

/// <reference types="dom-chromium-ai" />
// A page as somebody wrote it for the browser's own `LanguageModel`: it knows nothing of Ternion.

/** What the page has shown. */
export interface Shown {
  availability: string;
  progress: number[];
  pieces: string[];
  second: string;
  usage: number;
  window: number;
}

export async function run(): Promise<Shown> {
  const options = { expectedInputs: [{ type: 'text' as const, languages: ['en'] }] };
  const availability = await LanguageModel.availability(options);
  const progress: number[] = [];
  const session = await LanguageModel.create({
    ...options,
    monitor(monitor) {
      monitor.addEventListener('downloadprogress', (event) => progress.push(event.loaded));
    },
    initialPrompts: [
      { role: 'user', content: 'My name is Ravi.' },
      { role: 'assistant', content: 'Nice to meet you, Ravi!' },
    ],
  });
  const pieces: string[] = [];
  const reader = session.promptStreaming('Tell me a story.').getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
  }
  const second = await session.prompt('What is my name?');
  const shown = { usage: session.contextUsage, window: session.contextWindow };
  session.destroy();
  return { availability, progress, pieces, second, ...shown };
}

// Conversations of an earlier visit, where the demo keeps them.
import type { Page } from 'playwright';
import type { KeptConversation } from '../../demo/history/conversation-store';

/** Puts a conversation of so many turns to those that the page at hand keeps; its first question is its title. */
export async function keepConversation(page: Page, title: string, turns: number): Promise<void> {
  const messages = Array.from({ length: turns }, (_, i) => [
    { role: 'user' as const, content: i === 0 ? title : `Count from ${i % 5} to 6.` },
    // Markdown of several blocks.
    { role: 'assistant' as const, content: 'As **many** as there are:\n\n- four\n- five\n\nand six.' },
  ]).flat();
  const conversation: KeptConversation = {
    id: title,
    title,
    model: 'Some model',
    changedAt: 0,
    settings: { system: '', temperature: 0, topP: 1, seed: undefined, tokens: false },
    messages,
  };
  await page.evaluate(
    (kept) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open('ternion-demo', 1);
        request.onerror = () => reject(new Error(request.error?.message));
        request.onsuccess = () => {
          const writing = request.result.transaction('conversations', 'readwrite');
          writing.objectStore('conversations').put(kept);
          writing.oncomplete = () => resolve();
          writing.onabort = () => reject(new Error(writing.error?.message));
        };
      }),
    conversation,
  );
}

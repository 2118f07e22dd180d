// What templates get to see of messages.
import { expect, it } from 'vitest';
import type { ChatMessage } from '../../../src/tokenizer';
import { toTemplateMessages } from '../../../src/tokenizer/messages';

it('the content of a message is one text, whatever parts it had', () => {
  const calls = [{ function: { name: 'f', arguments: { x: [1, null] } } }];
  const messages: ChatMessage[] = [
    { role: 'system', content: '' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'assistant', content: null, tool_calls: calls },
  ];
  const seen = toTemplateMessages(messages);
  expect(seen.map(({ content }) => content)).toEqual(['', 'a\nb', '']);
  expect(seen[2]!.tool_calls).toEqual(calls);
});

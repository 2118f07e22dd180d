// How families of models write a conversation where the model's file does not say: what their published templates do, in TypeScript.

/** A message, as templates take it. */
interface Turn {
  role: string;
  content: string;
}

/** How a family writes a conversation. */
interface FamilyFormat {
  /** A message with all that is around it. */
  turn: (message: Turn) => string;
  /** What opens the turn of the model. */
  opening: string;
}

/** A family of models that share a template. */
export type Family = 'bitnet' | 'llama-3' | 'chatml' | 'plain';

export const FAMILIES: Readonly<Record<Family, FamilyFormat>> = {
  bitnet: {
    turn: ({ role, content }) => `${capitalized(role)}: ${content.trim()}<|eot_id|>`,
    opening: 'Assistant: ',
  },
  'llama-3': {
    turn: ({ role, content }) => `<|start_header_id|>${role}<|end_header_id|>\n\n${content.trim()}<|eot_id|>`,
    opening: '<|start_header_id|>assistant<|end_header_id|>\n\n',
  },
  chatml: {
    turn: ({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`,
    opening: '<|im_start|>assistant\n',
  },
  plain: {
    turn: ({ role, content }) => `${capitalized(role)}: ${content.trim()}\n\n`,
    opening: 'Assistant:',
  },
};

/**
 * The family of a model:
 *
 * - BitNet b1.58 with `<|eot_id|>`: `User: Hello<|eot_id|>Assistant: `
 * - `<|start_header_id|>`: the headers of Llama 3
 * - `<|im_start|>`: ChatML
 * - anything else: `User: Hello`, an empty line, `Assistant: `
 */
export function familyOf(tokens: readonly string[], architecture: string): Family {
  // BitNet 2B4T has the whole vocabulary of Llama 3, headers included, so its architecture decides first.
  if (architecture.startsWith('bitnet') && tokens.includes('<|eot_id|>')) return 'bitnet';
  if (tokens.includes('<|start_header_id|>')) return 'llama-3';
  if (tokens.includes('<|im_start|>')) return 'chatml';
  return 'plain';
}

/** As Jinja's filter of that name: one upper-case letter, the others as they are in the library that templates run in. */
function capitalized(role: string): string {
  return role.charAt(0).toUpperCase() + role.slice(1);
}

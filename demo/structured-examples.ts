// Schemas and questions to begin with, such as the built-in model can do something about.

export interface StructuredExample {
  title: string;
  question: string;
  schema: unknown;
}

export const EXAMPLES: readonly StructuredExample[] = [
  {
    title: 'A list of numbers',
    question: 'Count from 3 to 9.',
    schema: { type: 'array', items: { type: 'integer', minimum: 3, maximum: 9 }, minItems: 7, maxItems: 7 },
  },
  {
    title: 'One of several values',
    question: 'Show me a fox emoji.',
    schema: { enum: ['🐱', '🐶', '🦊', '🐻'] },
  },
  {
    title: 'An object',
    question: 'Tell me a story about a fox named Mia.',
    schema: {
      type: 'object',
      properties: {
        name: { type: 'string', pattern: '^[A-Z][a-z]{1,9}$' },
        animal: { enum: ['cat', 'dog', 'fox'] },
        story: { type: 'string', maxLength: 120 },
        happy: { type: 'boolean' },
      },
      required: ['name', 'animal', 'story', 'happy'],
    },
  },
];

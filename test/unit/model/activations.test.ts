// Which activations a model runs with, by what it was trained with and what its user asks for.
import { expect, test } from 'vitest';
import { architectures } from '../../../src/model/architectures';
import { chooseActivations } from '../../../src/model/activations';

const traits = (name: string) => architectures.find(({ names }) => names.includes(name))!;

test.each([
  ['bitnet-b1.58', 'I2_S'],
  ['bitnet-25', 'TQ1_0'],
  ['bitnet', 'TQ2_0'],
  ['bitnet', 'Q2_0'],
  ['llama', 'I2_S'],
  // What layers of packed safetensors are called.
  ['llama', 'PACKED'],
  ['qwen3', 'PACKED'],
])('%s with %s was trained with int8 activations, and gets them', (architecture, encoding) => {
  expect(chooseActivations(traits(architecture), [encoding], 'fast')).toBe('int8-token');
  expect(chooseActivations(traits(architecture), [encoding], 'exact')).toBe('int8-token');
});

test.each([
  ['llama', 'TQ1_0'],
  ['llama', 'TQ2_0'],
  ['llama', 'Q2_0'],
  ['llama', 'Q2_0_128'],
  ['qwen3', 'Q2_0'],
  ['qwen3', 'Q2_0_128'],
  ['qwen3', 'PQ2_0'],
  ['qwen3', 'TQ2_0'],
  ['qwen3', 'I2_S'],
])('%s with %s has ternary weights alone: rounding activations is a choice', (architecture, encoding) => {
  expect(chooseActivations(traits(architecture), [encoding], 'fast')).toBe('int8-group');
  expect(chooseActivations(traits(architecture), [encoding], 'exact')).toBe('f32');
});

test('one matrix of unknown training is enough to be careful', () => {
  expect(chooseActivations(traits('llama'), ['I2_S', 'TQ2_0'], 'exact')).toBe('f32');
});

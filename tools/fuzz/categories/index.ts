// All kinds of input that are fuzzed.

import type { Category } from '../category';
import { argumentsCategory } from './arguments';
import { ggufCategory } from './gguf';
import { safetensorsCategory } from './safetensors';
import { schemasCategory } from './schemas';
import { serversCategory } from './servers';
import { templatesCategory } from './templates';
import { tensorsCategory } from './tensors';
import { tokenizersCategory } from './tokenizers';

/** The categories, in the order of the report. */
export function allCategories(): Category[] {
  return [
    ggufCategory(),
    safetensorsCategory(),
    tensorsCategory(),
    templatesCategory(),
    tokenizersCategory(),
    serversCategory(),
    argumentsCategory(),
    schemasCategory(),
  ];
}

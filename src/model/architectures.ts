// The model families that run. A new one is a file beside this one, and a line here.

import { bitnet } from './bitnet';
import { bitnetB158 } from './bitnet-b158';
import type { Architecture } from './config';
import { llama } from './llama';
import { minicpm } from './minicpm';
import { qwen3 } from './qwen3';

export const architectures: readonly Architecture[] = [bitnetB158, bitnet, llama, qwen3, minicpm];

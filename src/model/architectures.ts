// The model families that run. A new one is a file beside this one, and a line here.

import { bitnetB158 } from './bitnet';
import type { Architecture } from './config';

export const architectures: readonly Architecture[] = [bitnetB158];

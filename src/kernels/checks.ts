// The known-answer checks of all kernels with variants. A load asks for them only where a variant was not checked before, so this file is
// imported when that is so.

export { checkAttention } from './attention-check';
export { checkBlocksHead } from './lm-head-blocks-check';
export { checkHead } from './lm-head-int8-check';
export { checkPlanesHead } from './lm-head-planes-check';
export { checkNormMatmul } from './norm-matmul-check';
export { checkNorm } from './rms-norm-quantize-check';
export { checkMatmul } from './ternary-matmul-check';

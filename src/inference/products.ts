// A matrix of a layer and what stands before it: norm and quantisation as a dispatch of their own, or in that of the matrix.

import type { Dispatch, GpuContext } from '../gpu/context';
import type { TernaryMatrix } from '../kernels/matrices';
import { fusesNorm, normMatmul } from '../kernels/norm-matmul';
import { rmsNormQuantize } from '../kernels/rms-norm-quantize';
import {
  ternaryMatmul,
  type MatmulEpilogue,
  type MatmulPart,
  type MatmulVariant,
} from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';
import { inputOf, type WorkBuffers } from './work-buffers';

/** Rows that are normalised, quantised and multiplied. */
export interface Product {
  /** For people. */
  name: string;
  /** f32 [tokens, matrix.cols]. */
  x: GPUBuffer;
  /** Of the norm, if the model has one there. */
  weight: GPUBuffer | undefined;
  matrix: TernaryMatrix;
  epilogue: MatmulEpilogue;
  y: GPUBuffer;
  part?: MatmulPart;
}

/** How all products of a pass are made. */
export interface ProductSettings {
  gpu: GpuContext;
  work: WorkBuffers;
  activations: Activations;
  eps: number;
  normThreads: number;
  variant: MatmulVariant;
}

/** The dispatches of a product: what makes the input of the matrix, unless it makes that itself, and the matrix. */
export function product(settings: ProductSettings, what: Product): Promise<Dispatch[]> {
  const { gpu, work, activations, eps, normThreads, variant } = settings;
  const { name, x, weight, matrix, epilogue, y, part } = what;
  if (isFused(settings, matrix)) {
    const label = `norm + matmul ${name}`;
    return Promise.all([normMatmul(gpu, label, matrix, epilogue, variant, { x, weight, eps }, y, part)]);
  }
  const shape = {
    cols: matrix.cols,
    eps,
    threads: normThreads,
    packing: variant.products,
    scalePer: activations === 'int8-group' ? 'group' : 'token',
  } as const;
  const q = inputOf(work, matrix, activations);
  return Promise.all([
    rmsNormQuantize(gpu, weight ? 'norm' : 'quantize', shape, x, weight, q),
    ternaryMatmul(gpu, `matmul ${name}`, matrix, epilogue, variant, q, y, part),
  ]);
}

/** Whether such products are one dispatch. */
export function isFused(
  { activations, variant }: Pick<ProductSettings, 'activations' | 'variant'>,
  matrix: TernaryMatrix,
): boolean {
  return activations === 'int8-token' && fusesNorm(variant, matrix);
}

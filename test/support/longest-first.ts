// The order of test files: those that take longest begin first, so that two at a time end together.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than some five seconds, the longest first; measured on two cores with nothing in Mesa's cache. A file that is
 * not here, or at the wrong place, costs a little time and nothing else.
 */
const SLOW = [
  'unit/storage/download',
  'unit/watchdog',
  'unit/model/real-files',
  'unit/storage/cache',
  'unit/tokenizer/real-vocabularies',
  'unit/tools/fuzz',
  'unit/gpu/shader-templates',
  'unit/inference/plan',
  'unit/grammar/tool-grammar',
  'unit/tokenizer/json-spec',
  'unit/grammar/schema-libraries',
  'unit/grammar/json-schema',
  'unit/storage/memory',
  'unit/gpu/variant-race',
  'unit/tabs/sharing',
  'unit/bench/generate-model',
  'unit/surfaces/connect',
  'gpu/variants',
  'e2e/engine',
  'gpu/shapes/many',
  'e2e/storage',
  'gpu/kernels/attention',
  'e2e/worker',
  'e2e/tarball',
  'gpu/kernels/ternary-matmul',
  'e2e/recovery',
  'e2e/policies',
  'e2e/shared',
  'gpu/architectures',
  'gpu/behind',
  'gpu/shader',
  'e2e/bench-page',
  'gpu/recovery',
  'gpu/kv-cache-int8',
  'gpu/again',
  'e2e/package',
  'gpu/kernels/sample-masked',
  'gpu/memory',
  'gpu/plan',
  'gpu/kernels/sample',
  'e2e/demo-models',
  'e2e/demo-conversation',
  'gpu/session/logprobs',
  'gpu/session/branching',
  'gpu/guided',
  'e2e/demo-access',
  'e2e/demo-firefox',
  'e2e/demo-tokens',
  'e2e/offline',
  'gpu/golden',
  'e2e/shapes',
  'gpu/formats',
  'gpu/reload',
  'gpu/soak',
  'gpu/shapes/greedy',
  'gpu/loading',
  'e2e/plan',
  'gpu/inspect',
  'e2e/demo',
  'gpu/kernels/norm-matmul',
  'e2e/service-worker',
  'e2e/smoke',
  'gpu/session/stopping',
  'gpu/kernels/rms-norm-quantize',
  'gpu/guided-recovery',
  'e2e/grammar',
  'gpu/vocabulary-blocks',
  'gpu/kernels/sample-candidates',
  'e2e/responsive',
  'gpu/embedding',
  'gpu/session/endings',
  'e2e/surfaces-sdk',
  'gpu/abort',
  'gpu/suspension',
  'gpu/kernels/rope-append',
  'gpu/logits-processor',
  'gpu/performance',
  'e2e/surfaces',
  'gpu/session/answers',
  'gpu/shapes/options',
  'gpu/session/sharing',
  'gpu/shapes/answers',
];

/** The name of a test file, as in the list. */
function nameOf({ moduleId }: TestSpecification): string {
  return moduleId.replaceAll('\\', '/').replace(/^.*\/test\/|(\.one-driver|\.swiftshader)?\.test\.ts$/g, '');
}

/** Vitest's own order (by what the last run took here, or by size) for what is not in the list. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = (file: TestSpecification): number => {
      const at = SLOW.indexOf(nameOf(file));
      return at < 0 ? SLOW.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}

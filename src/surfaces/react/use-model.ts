// A model for as long as a component is there.

import { useCallback, useEffect, useRef, useState } from 'react';
import type { LoadOptions } from '../../api/load-model';
import { loadModel } from '../../boundary/page';
import type { Engine } from '../../engine/types';
import type { LoadProgress } from '../../plan/load-options';
import type { ModelSource } from '../../storage/sources/model-source';

/** How to load: options of `loadModel`, but for what the hook has for itself. */
export type UseModelOptions = Omit<LoadOptions, 'signal' | 'onProgress'>;

/** What is known of a model. */
export interface UsedModel {
  /** Undefined until it is loaded, and when it could not be. */
  engine: Engine | undefined;
  /** How far the load is; undefined before its first word. `fraction` and `text` are for people. */
  progress: LoadProgress | undefined;
  /** Why it could not be loaded. */
  error: Error | undefined;
  /** Tries again. */
  retry: () => void;
}

type Loaded = Omit<UsedModel, 'retry'>;

const NOTHING: Loaded = { engine: undefined, progress: undefined, error: undefined };

/**
 * Loads the model at `source` for as long as the component is mounted, and another one in its place when `source` is another one.
 * Nothing is loaded while that is undefined. Options are those at the time when the load begins. An unmount ends the load, or
 * disposes of the engine; StrictMode's two mounts load once.
 */
export function useModel(source: ModelSource | undefined, options: UseModelOptions = {}): UsedModel {
  const [state, setState] = useState<Loaded>(NOTHING);
  const [attempt, setAttempt] = useState(0);
  const latest = useRef(options);
  useEffect(() => void (latest.current = options));
  useEffect(() => {
    if (source === undefined) return undefined;
    const abort = new AbortController();
    let engine: Engine | undefined;
    const load = async (): Promise<void> => {
      const { signal } = abort;
      const onProgress = (progress: LoadProgress): void => {
        if (!signal.aborted) setState((before) => ({ ...before, progress }));
      };
      try {
        const loaded = await loadModel(source, { ...latest.current, signal, onProgress });
        if (signal.aborted) return letGo(loaded);
        engine = loaded;
        setState((before) => ({ ...before, engine: loaded }));
      } catch (error) {
        if (!signal.aborted) setState({ ...NOTHING, error: error as Error });
      }
    };
    // A mount that is taken back at once, as StrictMode's first one, begins nothing.
    const timer = setTimeout(() => void load());
    return () => {
      clearTimeout(timer);
      abort.abort();
      setState(NOTHING);
      if (engine) letGo(engine);
    };
  }, [source, attempt]);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  return { ...state, retry };
}

/** Nobody is there any more to hear that it fails. */
function letGo(engine: Engine): void {
  engine.dispose().catch(() => {});
}

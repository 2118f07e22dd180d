// A service worker as users write it.
import { serve, type ServiceWorkerScope } from '../../../src/surfaces/service-worker';

// The DOM's types take this for a page.
serve(self as unknown as ServiceWorkerScope, { waitMs: 500 });

// Lets the built demo open without a network, from the second visit on.

/** Registers the service worker once the page has what it needs. Nothing happens in a page that is not built, or where it fails. */
export function keepForOffline(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const register = (): void => {
    const script = new URL('service-worker.js', document.baseURI);
    // Where it is forbidden (private windows, policies) the page just needs a network.
    navigator.serviceWorker.register(script, { updateViaCache: 'none' }).catch(() => undefined);
  };
  if (document.readyState === 'complete') register();
  else window.addEventListener('load', register);
}

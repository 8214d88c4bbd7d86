/* The map's library begins its workers while the rest of the page still comes,
 * long before they have anything to do. */
globalThis.maplibregl?.setWorkerUrl("/console/maplibre-gl-csp-worker.js");
globalThis.maplibregl?.prewarm();

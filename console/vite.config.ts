import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import license from 'rollup-plugin-license';

// What may be bundled: the licences that the workspace's deny.toml allows too.
const allowed = '(Apache-2.0 OR MIT OR BSD-2-Clause OR BSD-3-Clause OR ISC OR 0BSD OR OFL-1.1 OR Unlicense OR MIT-0 OR Zlib OR Python-2.0)';

export default defineConfig({
  base: '/console/',
  plugins: [
    react(),
    license({
      thirdParty: {
        allow: { test: allowed, failOnUnlicensed: true, failOnViolation: true },
        output: { file: 'dist/NOTICE.txt' },
      },
    }),
  ],
  build: {
    outDir: 'dist',
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Everything is a file of its own: the page's policy takes no data: scripts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
  },
  // `npm run dev` beside a running Neargate: calls go on to it.
  server: {
    proxy: {
      '^/(?!console)': { target: process.env.NEARGATE_URL ?? 'http://127.0.0.1:4566', ws: true },
    },
  },
});

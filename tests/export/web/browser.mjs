// Starts Chromium without a window: the one that CHROMIUM names, or that of the package @sparticuz/chromium.
import packed from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || (await packed.executablePath()),
    args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
      '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync'],
  });
}

if (process.argv[1] === import.meta.filename) { // run alone: shows that it starts
  const started = await browser();
  console.log(`Chromium ${started.version()}`);
  await started.close();
}

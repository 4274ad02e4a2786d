// node play.mjs FILE.glb OUT_DIR SECONDS...: opens the file in headless Chromium with three.js, both served from
// localhost, and writes one screenshot of the head at each time: OUT_DIR/0.png, 1.png and so on.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { browser } from './browser.mjs';

const [glb, out, ...times] = process.argv.slice(2);
const three = path.join(import.meta.dirname, 'node_modules', 'three');
const page = `<!doctype html><body style="margin:0"><script type="importmap">{"imports": {
  "three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
const renderer = new THREE.WebGLRenderer({ preserveDrawingBuffer: true });
renderer.setSize(512, 512);
document.body.append(renderer.domElement);
const scene = new THREE.Scene();
scene.background = new THREE.Color('white');
scene.add(new THREE.AmbientLight('white', 2));
const light = new THREE.DirectionalLight('white', 1.5);
light.position.set(0, 0.3, 1);
scene.add(light);
const gltf = await new GLTFLoader().loadAsync('/head.glb');
scene.add(gltf.scene);
const box = new THREE.Box3().setFromObject(gltf.scene);
const [size, middle] = [box.getSize(new THREE.Vector3()), box.getCenter(new THREE.Vector3())];
const half = 0.5 * Math.max(size.x, size.y);
const camera = new THREE.OrthographicCamera(-half, half, half, -half, 0.01, 10);
camera.position.set(middle.x, middle.y, middle.z + 2);
camera.lookAt(middle);
const mixer = new THREE.AnimationMixer(gltf.scene);
mixer.clipAction(gltf.animations[0]).play();
window.show = (seconds) => {
  mixer.setTime(seconds);
  renderer.render(scene, camera);
  return { duration: gltf.animations[0].duration, tracks: gltf.animations[0].tracks.length };
};
window.ready = true;
</script>`;
const types = { '.js': 'text/javascript', '.html': 'text/html', '.glb': 'model/gltf-binary' };
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost').pathname;
  const file = url === '/head.glb' ? glb : path.join(three, path.normalize(url).replace(/^\/three\//, ''));
  const found = url === '/' || (fs.existsSync(file) && fs.statSync(file).isFile());
  response.writeHead(found ? 200 : 404, { 'content-type': types[url === '/' ? '.html' : path.extname(file)] ?? '' });
  response.end(url === '/' ? page : found ? fs.readFileSync(file) : '');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const started = await browser();
try {
  const view = await started.newPage({ viewport: { width: 512, height: 512 } });
  const faults = [];
  view.on('pageerror', (error) => faults.push(String(error)));
  view.on('console', (line) => line.type() === 'error' && faults.push(line.text()));
  await view.goto(`http://127.0.0.1:${server.address().port}/`);
  await view.waitForFunction('window.ready', undefined, { timeout: 60000 });
  const shown = [];
  for (const [number, seconds] of times.entries()) {
    shown.push(await view.evaluate(`show(${Number(seconds)})`));
    await view.screenshot({ path: path.join(out, `${number}.png`) });
  }
  console.log(JSON.stringify({ shown, faults, three: await view.evaluate("import('three').then((t) => t.REVISION)") }));
} finally {
  await started.close();
  server.close();
}

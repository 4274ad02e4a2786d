// node vrma.mjs FILE.vrma: the expressions and bones that three-vrm reads of a VRM animation, as one JSON object.
import fs from 'node:fs';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { VRMAnimationLoaderPlugin } from '@pixiv/three-vrm-animation';

globalThis.self = globalThis;
const loader = new GLTFLoader();
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
const data = fs.readFileSync(process.argv[2]);
const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
const gltf = await loader.parseAsync(bytes, '');
const [animation] = gltf.userData.vrmAnimations;
const values = (tracks) => Object.fromEntries([...tracks].map(([name, track]) => [name, Array.from(track.values)]));
console.log(JSON.stringify({
  duration: animation.duration,
  preset: values(animation.expressionTracks.preset),
  bones: Object.fromEntries([...animation.humanoidTracks.rotation].map(([name, track]) => [name, track.values.length / 4])),
}));

// node validate.mjs FILE...: the report of Khronos's validator for each file, as one JSON object.
import fs from 'node:fs';
import validator from 'gltf-validator';

const reports = {};
for (const path of process.argv.slice(2)) {
  const options = { maxIssues: 100, ignoredIssues: [] };
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)), options);
  reports[path] = report.issues;
}
console.log(JSON.stringify(reports));

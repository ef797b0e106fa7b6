'use strict';
// Draws the run: lanes, bars, faults. Everything is in ms from the start of the run.
const run = JSON.parse(document.getElementById('data').textContent);
const COLOURS = {
  completed: '#2da44e', postponed: '#d4a72c', buried: '#57606a', 'given back': '#54aeff', crashed: '#fa7a18',
  reclaimed: '#cf222e', returned: '#2da44e', raised: '#d4a72c', vanished: '#cf222e', forgotten: '#bf87d8', open: '#c8cdd3',
};
const FAULT = '#8250df', REFUSED = '#a40e26';
const LEFT = 78, TOP = 92, LANE = 60, THIN = 24, BAR = 26;
const svg = document.getElementById('picture'), tip = document.getElementById('tip');
const NS = 'http://www.w3.org/2000/svg';
const works = new Set(run.bars.map(each => each.lane));
// Whoever runs no jobs and was hurt all the same has a thin lane.
const heightOf = name => works.has(name) ? LANE : THIN;
const lanes = new Map();
let height = TOP;
for (const name of run.lanes) { lanes.set(name, height); height += heightOf(name); }
height += 26;
let from = 0, to = run.end, width = 0;

const make = (name, attributes, text) => {
  const node = document.createElementNS(NS, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
const x = ms => LEFT + (ms - from) / (to - from) * (width - LEFT - 10);
const clock = ms => ms >= 60000 && to - from > 20000
  ? `${Math.floor(ms / 60000)}:${String(Math.floor(ms % 60000 / 1000)).padStart(2, '0')}`
  : `${(ms / 1000).toFixed(to - from < 3000 ? 2 : to - from < 20000 ? 1 : 0)} s`;

function axis(layer) {
  const steps = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000];
  const step = steps.find(each => (to - from) / each <= width / 90) || 600000;
  for (let ms = Math.ceil(from / step) * step; ms <= to; ms += step) {
    layer.append(make('line', {x1: x(ms), x2: x(ms), y1: TOP - 8, y2: height - 20, stroke: '#e6e9ed'}));
    layer.append(make('text', {x: x(ms), y: height - 7, 'text-anchor': 'middle'}, clock(ms)));
  }
}

// How many jobs were accepted and not yet over: what each fault costs the queue.
function backlog(layer) {
  const most = Math.max(1, ...run.backlog.map(point => point[1]));
  const y = count => 66 - count / most * 46;
  let path = `M${x(0)},66`;
  for (const [ms, count] of run.backlog) path += `H${x(ms).toFixed(1)}V${y(count).toFixed(1)}`;
  layer.append(make('path', {d: path + `H${x(run.end)}V66Z`, fill: '#d8e6f7', stroke: '#7aa7dd', 'stroke-width': 0.8}));
  layer.append(make('line', {x1: LEFT, x2: width, y1: 66, y2: 66, stroke: '#dfe3e8'}));
}

function bar(each) {
  const y = lanes.get(each.lane) + 22, left = x(each.from), right = x(each.to);
  const node = make('rect', {
    x: left, y, width: Math.max(right - left, each.outcome === 'completed' || each.outcome === 'returned' ? 0.8 : 2.6), height: BAR,
    fill: COLOURS[each.outcome] || COLOURS.open, opacity: each.outcome === 'open' ? 0.7 : 1,
    stroke: '#fff', 'stroke-width': right - left > 4 ? 0.7 : 0,
  });
  const about = [`${each.job}  ${each.outcome}${each.to_place ? ' to ' + each.to_place : ''}`, `${each.who}  execution ${each.execution || '-'}  fence ${each.fence || '-'}`,
    `${each.from} to ${each.to} ms: ${each.to - each.from} ms`];
  if (each.body.length) about.push(`its code: ${each.body.join(', ')}`);
  if (each.refused !== null) about.push(`refused at ${each.refused} ms: ${each.why}`);
  node.about = about.join('\n');
  return node;
}

// A holder that works on after its lease: from the end of the lease until it was told.
function ghost(each) {
  const y = lanes.get(each.lane) + 22 + BAR + 2;
  const node = make('g', {});
  node.append(make('line', {x1: x(Math.min(each.to, each.refused)), x2: x(each.refused), y1: y, y2: y, stroke: REFUSED, 'stroke-width': 1.4, 'stroke-dasharray': '3 2'}));
  const mark = make('path', {d: `M${x(each.refused)},${y - 4.5}l4.5,4.5l-4.5,4.5l-4.5,-4.5z`, fill: REFUSED, stroke: '#fff', 'stroke-width': 0.6});
  mark.about = `${each.job}  refused (${each.why})\n${each.who}  execution ${each.execution}  fence ${each.fence}\nat ${each.refused} ms; its lease had ended at ${each.to} ms`;
  node.append(mark);
  return node;
}

// Behind the bars: when, and for how long. The flag comes last, above everything.
const isShared = each => !lanes.has(each.lane);
const topOf = each => isShared(each) ? TOP - 10 : lanes.get(each.lane) + 4;

function shade(each) {
  const y = topOf(each), bottom = isShared(each) ? height - 20 : lanes.get(each.lane) + heightOf(each.lane) - 2;
  const left = x(each.from), span = Math.max(x(each.to) - left, 0);
  const node = make('g', {});
  node.append(make('rect', {x: left, y, width: span, height: bottom - y, fill: FAULT, opacity: isShared(each) ? 0.16 : 0.2}));
  node.append(make('line', {x1: left, x2: left, y1: y, y2: bottom, stroke: FAULT, 'stroke-width': 1}));
  return node;
}

function flag(each) {
  const y = topOf(each), left = x(each.from), node = make('g', {});
  node.append(make('rect', {x: left, y: y + 10.5, width: Math.max(x(each.to) - left, 0), height: 2.5, fill: FAULT, opacity: 0.55}));
  node.append(make('path', {d: `M${left},${y}h9l-3,4.5l3,4.5h-9z`, fill: FAULT}));
  if (each.room === undefined || each.room * (width - LEFT) / (to - from) > 6 * each.name.length + 18)
    node.append(make('text', {x: left + 11, y: y + 8.5, style: `fill:${FAULT};font-size:10px;paint-order:stroke;stroke:#fff;stroke-width:2px`}, each.name));
  for (const part of node.children) part.about = `${each.detail}\n${each.whom}  at ${each.from} ms${each.to > each.from ? `, for ${each.to - each.from} ms` : ''}${each.missed ? '\nmet nobody' : ''}`;
  return node;
}

function draw() {
  width = svg.clientWidth;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.style.height = height + 'px';
  const back = make('g', {}), front = make('g', {'clip-path': 'url(#window)'});
  const clip = make('clipPath', {id: 'window'});
  clip.append(make('rect', {x: LEFT, y: 0, width: width - LEFT, height}));
  run.lanes.forEach((name, row) => {
    const y = lanes.get(name);
    back.append(make('rect', {x: 0, y, width, height: heightOf(name), fill: row % 2 ? '#fff' : '#f6f7f9'}));
    back.append(make('text', {x: 12, y: y + (works.has(name) ? 39 : 16), class: works.has(name) ? 'lane' : ''}, name));
  });
  back.append(make('text', {x: 12, y: 46, class: 'lane'}, 'backlog'));
  back.append(make('text', {x: 12, y: 60}, `≤ ${Math.max(0, ...run.backlog.map(point => point[1]))} jobs`));
  axis(back);
  backlog(front);
  const seen = each => each.to >= from && each.from <= to;
  const usual = each => each.outcome === 'completed' || each.outcome === 'returned';
  const bars = run.bars.filter(seen);
  // What is rare is drawn last, so that a thousand completed jobs do not cover it.
  for (const each of run.faults.filter(seen)) front.append(shade(each));
  for (const each of bars.filter(usual)) front.append(bar(each));
  for (const each of bars.filter(each => !usual(each))) front.append(bar(each));
  for (const each of run.bars) if (each.refused !== null && each.refused >= from && each.to <= to) front.append(ghost(each));
  for (const each of run.faults.filter(seen)) front.append(flag(each));
  svg.replaceChildren(clip, back, front);
  document.getElementById('span').textContent = `${clock(from)} to ${clock(to)} of ${(run.end / 1000).toFixed(0)} s`;
}

function show(start, end) {
  const least = 100, whole = run.end, length = Math.min(whole, Math.max(least, end - start));
  from = Math.max(0, Math.min(start, whole - length));
  to = from + length;
  draw();
}
const goTo = ms => show(ms - 3000, ms + 9000);

svg.addEventListener('wheel', event => {
  event.preventDefault();
  const share = Math.min(1, Math.max(0, (event.offsetX - LEFT) / (width - LEFT - 10)));
  const at = from + share * (to - from), factor = event.deltaY > 0 ? 1.35 : 1 / 1.35;
  show(at - (at - from) * factor, at + (to - at) * factor);
}, {passive: false});
let grip = null;
svg.addEventListener('pointerdown', event => { grip = {x: event.clientX, from, to}; svg.classList.add('drag'); });
addEventListener('pointerup', () => { grip = null; svg.classList.remove('drag'); });
svg.addEventListener('pointermove', event => {
  if (grip) {
    const by = (event.clientX - grip.x) / (width - LEFT - 10) * (grip.to - grip.from);
    show(grip.from - by, grip.to - by);
  }
  const about = event.target.about;
  tip.style.display = about ? 'block' : 'none';
  if (!about) return;
  tip.textContent = about;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';
});
svg.addEventListener('pointerleave', () => { tip.style.display = 'none'; });

const moments = run.faults.map(each => each.from).sort((a, b) => a - b), middle = () => from + 3000;
document.getElementById('all').onclick = () => show(0, run.end);
document.getElementById('next').onclick = () => goTo(to - from >= run.end ? moments[0] ?? 0 : moments.find(ms => ms > middle() + 1) ?? from + 3000);
document.getElementById('before').onclick = () => goTo([...moments].reverse().find(ms => ms < middle() - 1) ?? 0);

const legend = document.getElementById('legend');
for (const [name, colour] of [...run.outcomes.map(word => [word, COLOURS[word] || COLOURS.open]), ['refused: told that its lease had gone', REFUSED], ['fault', FAULT]]) {
  const entry = document.createElement('span'), patch = document.createElement('i');
  patch.style.background = colour;
  entry.append(patch, name);
  legend.append(entry);
}
// A name is written where it does not run into the next one of its lane.
const rowOf = each => isShared(each) ? '' : each.lane;
for (const name of new Set(run.faults.map(rowOf))) {
  const row = run.faults.filter(each => rowOf(each) === name).sort((a, b) => a.from - b.from);
  row.forEach((each, n) => { each.room = n + 1 < row.length ? row[n + 1].from - each.from : undefined; });
}
const table = document.getElementById('faults');
for (const each of run.faults) {
  const row = table.insertRow();
  row.dataset.at = each.from;
  for (const cell of [each.from, each.whom, each.detail + (each.missed ? ' (met nobody)' : ''), each.to - each.from || ''])
    row.insertCell().textContent = cell;
  row.onclick = () => { goTo(each.from); svg.scrollIntoView({block: 'center'}); };
}
if (location.hash) {
  const [start, end] = location.hash.slice(1).split('-').map(Number);
  from = start; to = end;
}
addEventListener('resize', draw);
draw();

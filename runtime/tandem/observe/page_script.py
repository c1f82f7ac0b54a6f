"""Pure: what makes the page live. It builds with the document's own functions, never from texts of markup, so no name of an object can be any."""

from __future__ import annotations

SCRIPT = r"""'use strict';
const EVERY_MS = 2000, PATIENCE_MS = 8000, SOON_DAYS = 14;
const byId = (id) => document.getElementById(id);
let former = null, answeredAt = null;

// Elements stay from one look to the next, so that focus, selection and what a screen reader reads stay too.
function put(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}
function made(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);
  return element;
}
function keep(parent, items, keyOf, make, update) {
  const known = parent.kept || (parent.kept = new Map()), seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    if (!known.has(key)) known.set(key, make(item));
    const element = known.get(key);
    update(element, item);
    if (element === at) at = at.nextElementSibling; else parent.insertBefore(element, at);
  }
  for (const [key, element] of known) if (!seen.has(key)) { element.remove(); known.delete(key); }
}
function part(element, name, tag, classes) {
  const parts = element.parts || (element.parts = {});
  if (!parts[name]) { parts[name] = made(tag || 'p', classes); element.append(parts[name]); }
  return parts[name];
}

// Words
const UNITS = [['d', 86400e3], ['h', 3600e3], ['min', 60e3], ['s', 1e3]];
function ago(ms) {
  for (const [unit, size] of UNITS) if (ms >= 2 * size) return Math.floor(ms / size) + ' ' + unit;
  return Math.max(0, Math.round(ms)) + ' ms';
}
function number(value) {
  if (value === null || value === undefined) return '-';
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}
const last = (points) => points.length ? points[points.length - 1] : null;
const GOOD = new Set(['active', 'standby', 'up']), BAD = new Set(['fault', 'down', 'silent']);
function showState(element, state, words) {
  element.className = 'state ' + (GOOD.has(state) ? 'good' : BAD.has(state) ? 'bad' : 'warn');
  put(element, words || state);
}

// Pictures
const SVG = 'http://www.w3.org/2000/svg', WIDTH = 120, HEIGHT = 30;
function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
function path(points, top) {
  let way = '', drawing = false;
  points.forEach((value, index) => {
    if (value === null) { drawing = false; return; }
    const x = WIDTH - points.length + index + 1, y = HEIGHT - 1 - (HEIGHT - 3) * value / top;
    way += (drawing ? 'L' : 'M') + x.toFixed(1) + ' ' + y.toFixed(1);
    drawing = true;
  });
  return way;
}
function spark(holder, what, unit, points, errors) {
  let picture = holder.picture;
  if (!picture) {
    picture = holder.picture = drawn('svg', {class: 'spark', viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, preserveAspectRatio: 'none', role: 'img'});
    picture.append(drawn('path', {class: 'base', d: 'M0 ' + (HEIGHT - 1) + 'H' + WIDTH}), drawn('path', {class: 'under'}),
      drawn('path', {class: 'line'}), drawn('path', {class: 'errors'}));
    holder.append(picture);
  }
  const known = points.filter((value) => value !== null), wrong = (errors || []).filter((value) => value !== null);
  const top = Math.max(0.001, ...known, ...wrong), line = path(points, top), bad = wrong.some((value) => value > 0);
  const under = known.length === points.length && known.length > 1;
  const [, area, curve, faults] = picture.children;
  curve.setAttribute('d', line);
  area.setAttribute('d', under ? line + 'L' + WIDTH + ' ' + (HEIGHT - 1) + 'L' + (WIDTH - points.length + 1) + ' ' + (HEIGHT - 1) + 'Z' : '');
  faults.setAttribute('d', bad ? path(errors, top) : '');
  const peak = known.length ? number(Math.max(...known)) : '-';
  const words = what + ': now ' + number(last(points)) + ' ' + unit + ', at most ' + peak + ' ' + unit + ' in ten minutes'
    + (bad ? ', errors at most ' + number(Math.max(...wrong)) + ' ' + unit : '');
  if (picture.getAttribute('aria-label') !== words) picture.setAttribute('aria-label', words);
}

// The page's parts
function showNode(element, one) {
  const top = part(element, 'top', 'div', 'top');
  put(part(top, 'name', 'h3'), one.name + (one.here ? ' (this node)' : ''));
  showState(part(top, 'state', 'span'), one.state);
  const since = one.here ? one.state + ' for ' + ago(one.since_ms) + (one.reason ? ': ' + one.reason : '') + ', configured as ' + one.role
    : one.heard_ms === null ? 'never heard' : 'heard ' + ago(one.heard_ms) + ' ago';
  put(part(element, 'since', 'p', 'faint'), since + (one.other_document ? '; it has another document' : ''));
}
function showAddress(element, one) {
  put(element, one.name + ': ' + one.address + (one.interface ? ' on ' + one.interface : '') + (one.held ? ', held here' : ', not held here'));
}
function showFrontend(element, one) {
  const top = part(element, 'top', 'div', 'top');
  put(part(top, 'name', 'h3'), one.name);
  const state = !one.enabled ? ['checking', 'disabled'] : one.problems.length ? ['down', 'not listening'] : one.listening.length ? ['up', 'listens']
    : ['checking', 'not here'];
  showState(part(top, 'state', 'span'), ...state);
  put(part(element, 'where', 'p', 'faint'), one.listening.join(', ') || 'no address on this node');
  put(part(element, 'now'), number(last(one.history.rate)) + ' requests/s, ' + number(one.connections) + ' connections, '
    + number(last(one.history.errors)) + ' errors/s');
  spark(part(element, 'picture', 'div'), 'Requests of ' + one.name, 'per second', one.history.rate, one.history.errors);
}
const COLUMNS = ['Server', 'State', 'Requests/s', 'Errors/s', 'Under way', 'Last ten minutes', 'Last check'];
function newBackend() {
  const element = made('article', 'backend'), table = made('table'), head = made('tr'), body = made('tbody');
  for (const title of COLUMNS) {
    const cell = made('th', '', title);
    cell.scope = 'col'; cell.setAttribute('role', 'columnheader');
    head.append(cell);
  }
  // Said explicitly, as the style of narrow screens would take these roles away.
  table.setAttribute('role', 'table'); body.setAttribute('role', 'rowgroup'); head.setAttribute('role', 'row');
  element.append(made('div', 'top'), made('p'), made('div'), table);
  table.append(made('caption', 'unseen'), made('thead', '', head), body);
  return element;
}
function showBackend(element, one) {
  const [top, now, picture, table] = element.children, times = one.history;
  put(part(top, 'name', 'h3'), one.name);
  const up = one.usable + ' of ' + one.servers.length + ' servers take clients';
  showState(part(top, 'state', 'span'), one.usable === one.servers.length ? 'up' : one.usable ? 'checking' : 'down', up);
  put(now, 'first byte within ' + number(last(times.p50_ms)) + ' ms, of 19 in 20 within ' + number(last(times.p95_ms)) + ' ms; '
    + number(one.sessions) + ' under way' + (one.queue ? ', ' + number(one.queue) + ' waiting' : ''));
  spark(picture, 'Time to the first byte of 19 in 20 requests to ' + one.name, 'milliseconds', times.p95_ms);
  put(table.caption, 'Servers of backend ' + one.name);
  const wanted = byId('filter').value.trim().toLowerCase();
  const words = (server) => [server.name, server.address, server.state, server.admin_state].join(' ').toLowerCase();
  const shown = one.servers.filter((server) => words(server).includes(wanted));
  keep(table.tBodies[0], shown, (server) => server.name, newServer, showServer);
  table.hidden = !shown.length;
}
function newServer() {
  const row = made('tr'), name = made('th');
  name.scope = 'row'; name.setAttribute('role', 'rowheader'); row.setAttribute('role', 'row');
  row.append(name);
  COLUMNS.slice(1).forEach((title) => {
    const cell = made('td', /s$|way/.test(title) && title !== 'Last ten minutes' ? 'number' : '');
    cell.setAttribute('role', 'cell'); cell.dataset.label = title;
    row.append(cell);
  });
  return row;
}
function showServer(row, one) {
  const [name, state, rate, errors, busy, picture, check] = row.cells;
  put(part(name, 'name', 'span'), one.name);
  put(part(name, 'address', 'div', 'faint'), one.address);
  const set = one.admin_state !== 'ready';
  showState(part(state, 'state', 'span'), set ? 'checking' : one.state, set ? one.admin_state + ' (' + one.state + ')' : one.state);
  put(part(state, 'by', 'div', 'faint'), set ? 'set by ' + (one.set_by || 'nobody known') : one.since_ms === null ? '' : 'for ' + ago(one.since_ms));
  put(rate, number(last(one.history.rate)));
  put(errors, number(last(one.history.errors)));
  put(busy, number(one.sessions));
  put(check, one.last_check);
  spark(picture, 'Requests to ' + one.name, 'per second', one.history.rate, one.history.errors);
}
function showCertificate(element, one, now) {
  const days = Math.floor((one.not_after_s - now) / 86400), until = new Date(one.not_after_s * 1000).toISOString().slice(0, 10);
  const state = days < 0 ? 'down' : days < SOON_DAYS ? 'checking' : 'up';
  showState(part(element, 'state', 'span'), state, days < 0 ? 'ended' : days + ' days');
  put(part(element, 'what', 'span'), ' ' + one.name + ' (' + one.names.join(', ') + '), until ' + until);
}
function showEvent(element, one) {
  const time = part(element, 'time', 'time'), at = new Date(one.time);
  time.dateTime = one.time;
  put(time, at.toLocaleDateString() + ' ' + at.toLocaleTimeString());
  put(part(element, 'text', 'span'), ' ' + (one.about ? one.about + ': ' : '') + one.text);
}

// What is told to who does not look
function states(view) {
  const found = new Map(view.nodes.map((one) => ['Node ' + one.name, one.state]));
  for (const backend of view.backends) {
    for (const one of backend.servers) {
      found.set('Server ' + backend.name + '/' + one.name, one.admin_state === 'ready' ? one.state : one.admin_state);
    }
  }
  return found;
}
function announce(view) {
  const now = states(view), news = [];
  if (former) for (const [what, state] of now) if (former.has(what) && former.get(what) !== state) news.push(what + ' is ' + state);
  former = now;
  const more = news.length > 3 ? ', and ' + (news.length - 3) + ' more changes' : '';
  if (news.length) put(byId('said'), news.slice(0, 3).join('. ') + more);
}

function show(view) {
  const name = (one) => one.name;
  document.title = (view.problems.length ? '(' + view.problems.length + ') ' : '') + view.load_balancer + ' on ' + view.node + ' - Tandem';
  put(byId('title'), 'Load balancer ' + view.load_balancer);
  put(byId('about'), 'as node ' + view.node + ' sees it: generation ' + view.generation + ', Tandem ' + view.version
    + ', at ' + new Date(view.time_s * 1000).toLocaleTimeString());
  byId('fine').hidden = view.problems.length > 0;
  keep(byId('problems'), [...new Set(view.problems)], (one) => one, () => made('li'), put);
  keep(byId('nodes'), view.nodes, name, () => made('li'), showNode);
  keep(byId('addresses'), view.floating_ips, name, () => made('li'), showAddress);
  keep(byId('frontends'), view.frontends, name, () => made('li'), showFrontend);
  keep(byId('backends'), view.backends, name, newBackend, showBackend);
  byId('certificates-section').hidden = !view.certificates.length;
  keep(byId('certificates'), view.certificates, name, () => made('li'), (element, one) => showCertificate(element, one, view.time_s));
  keep(byId('events'), view.events, (one) => JSON.stringify(one), () => made('li'), showEvent);
  document.querySelector('main').hidden = false;
  announce(view);
}

let view = null;
async function look() {
  if (!document.hidden) {
    const patience = new AbortController(), timer = setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      const answer = await fetch('/v1/overview', {signal: patience.signal, cache: 'no-store', credentials: 'same-origin'});
      if (!answer.ok) throw new Error('status ' + answer.status);
      view = await answer.json();
      answeredAt = new Date();
      show(view);
      byId('stale').hidden = true;
    } catch (error) {
      const since = answeredAt ? ' What is shown is of ' + answeredAt.toLocaleTimeString() + '.' : '';
      put(byId('stale'), 'This node does not answer (' + error.message + ').' + since);
      byId('stale').hidden = false;
    } finally {
      clearTimeout(timer);
    }
  }
  setTimeout(look, EVERY_MS);
}
byId('filter').addEventListener('input', () => { if (view) show(view); });
look();
"""

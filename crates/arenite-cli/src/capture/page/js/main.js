// The head of the page, and going from view to view by the address.

{
  const parts = [
    `process ${data.process}`, seconds(data.seconds), counted(data.events, 'event', 'events'),
    hasFrames ? counted(data.frames.count, 'frame', 'frames') : 'no frames',
    counted(data.threads.filter((thread) => thread.allocs + thread.frees > 0).length, 'thread', 'threads'),
    counted(data.stacks, 'call stack', 'call stacks'),
  ];
  document.getElementById('subtitle').textContent = `A recording of Arenite: ${parts.join(', ')}.`;
  const warnings = [...data.warnings];
  if (data.before.blocks > 0) {
    warnings.push(`${counted(data.before.blocks, 'block', 'blocks')} of ${bytes(data.before.bytes)} lived before the recording began: they are in none of the figures but “before”`);
  }
  if (data.passed_by > 0) warnings.push(`${counted(data.passed_by, 'block was', 'blocks were')} counted and not kept: told after their free, or too many at once`);
  document.getElementById('warnings').append(...warnings.map((line) => element('p', { class: 'warning' }, line)));
}

const navigation = document.getElementById('views');
const main = document.getElementById('main');
const links = new Map(views.map((one) => [one.id, element('a', { href: `#${one.id}` }, one.title)]));
navigation.append(...links.values());

function route() {
  const [, id, rest] = /^#([^/]*)\/?(.*)$/.exec(location.hash) || [];
  const chosen = views.find((one) => one.id === id) || views[0];
  if (!chosen.section) {
    chosen.section = element('div', { id: `view-${chosen.id}`, class: 'view', 'data-view': chosen.id }, element('p', { class: 'lead' }, chosen.hint));
    main.append(chosen.section);
    chosen.show = chosen.draw(chosen.section) || (() => {});
  }
  for (const one of views) {
    if (one.section) one.section.hidden = one !== chosen;
    const link = links.get(one.id);
    if (one === chosen) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  chosen.show(rest);
}

window.addEventListener('hashchange', route);
route();
document.documentElement.dataset.ready = 'yes';

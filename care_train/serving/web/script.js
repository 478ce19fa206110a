() => {
  // The newest words stay in sight, unless somebody scrolled up to read.
  const box = document.getElementById('talk');
  let following = true;
  box.addEventListener('scroll', () => {
    following = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  });
  new MutationObserver(() => {
    if (following) box.scrollTop = box.scrollHeight;
  }).observe(box, {childList: true, subtree: true, characterData: true});
  // Fonts and screen readers go by the language of the page.
  const head = document.getElementById('head');
  new MutationObserver(() => {
    document.documentElement.lang = head.querySelector('header')?.lang || 'en';
  }).observe(head, {childList: true, subtree: true});
  // Enter that ends a word of an input method (Chinese, Japanese) does not send the question.
  for (const kind of ['keydown', 'keypress']) {
    document.addEventListener(kind, (event) => event.isComposing && event.stopPropagation(), true);
  }
  document.addEventListener('click', (event) => {
    const button = event.target.closest('.copy');
    if (button) navigator.clipboard?.writeText(button.closest('.exchange').querySelector('.text').innerText);
  });
}

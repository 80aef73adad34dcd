// Passkeys: ask the browser for one, and send its answer with the form. This is the only script of the pages.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const decode = (options) => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const one of options.allowCredentials ?? options.excludeCredentials) one.id = bytes(one.id);
    return options;
  };
  const encode = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = base64url(credential.response[name]);
    }
    const { id, type } = credential;
    return JSON.stringify({ id, rawId: base64url(credential.rawId), type, response, clientExtensionResults: {} });
  };

  let running = null; // browsers answer one request at a time, so the button ends the one of the autofill
  const ask = async (form, more) => {
    running?.abort();
    running = new AbortController();
    const options = decode(JSON.parse(form.dataset.options));
    const asked = { publicKey: options, signal: running.signal, ...more };
    const credential = await navigator.credentials[form.dataset.passkey](asked);
    form.elements.passkey.value = encode(credential);
    form.submit();
  };

  for (const one of document.querySelectorAll("[data-without-passkeys]")) one.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    if (form.dataset.passkey === "show") continue;
    const failed = form.querySelector("[data-failed]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      failed.hidden = true;
      ask(form, {}).catch((error) => {
        failed.hidden = error.name === "AbortError";
      });
    });
    if ("autofill" in form.dataset) {
      PublicKeyCredential.isConditionalMediationAvailable?.()
        .then((can) => can && ask(form, { mediation: "conditional" }))
        .catch(() => {}); // the button is still there
    }
  }
})();

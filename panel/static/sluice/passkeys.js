// Passkeys: a form marked `data-passkey` asks the browser to make ("create") or use ("get") one, then sends its answer.
// The pages hide these buttons where no scripts run.
(() => {
  const WORDS = {
    NotAllowedError: "The browser gave no passkey: it was cancelled, took too long, or there is none for this address.",
    InvalidStateError: "This device has a passkey of yours already.",
    SecurityError: "Browsers use passkeys only with https and a host name, or on localhost; not at an IP address.",
  };

  const tell = (form, error) => {
    const place = form.querySelector("[data-passkey-problem]");
    place.textContent = WORDS[error.name] ?? `The passkey did not work: ${error.message}`;
    place.hidden = false;
  };

  const optionsOf = async (form) => {
    if (!form.dataset.passkeyUrl) return JSON.parse(form.dataset.passkeyOptions);
    const answer = await fetch(form.dataset.passkeyUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`the panel answered ${answer.status}`);
    return (await answer.json()).request_options;
  };

  const create = async (options, alone) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
    const selection = { ...publicKey.authenticatorSelection, residentKey: alone ? "required" : "discouraged" };
    selection.requireResidentKey = alone;
    if (alone) selection.userVerification = "required";
    return navigator.credentials.create({ publicKey: { ...publicKey, authenticatorSelection: selection } });
  };

  const get = (options) =>
    navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey) });

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-passkey]");
    if (!form) return;
    event.preventDefault();
    form.querySelector("[data-passkey-problem]").hidden = true;
    try {
      if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw new Error("this browser is too old for them");
      const options = await optionsOf(form);
      const alone = form.elements.passwordless?.checked ?? false;
      const credential = await (form.dataset.passkey === "create" ? create(options, alone) : get(options));
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (error) {
      tell(form, error);
    }
  });
})();

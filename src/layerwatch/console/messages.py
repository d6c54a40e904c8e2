"""What the console says after a form was taken. Pages name a message by its key, so that a crafted link
cannot put words into our mouth."""

from __future__ import annotations

SAID = {
    "sign-in-ended": "Your sign-in has ended. Sign in again to continue; what you sent was not done.",
    "signed-out": "You are signed out.",
    "check-mail": "If this address can be used, a mail is on its way. Open the link in it.",
    "verified": "Your address is verified.",
    "accepted": "You are a member now. Choose below which account you work in.",
    "codes-reset": "The user's one-time codes are off. A mail says so to them.",
    "password-set": "Your password is set. Sign in with it.",
    "password-changed": "Your password is changed. Other browsers were signed out.",
    "others-out": "Every other browser was signed out.",
    "codes-off": "One-time codes are off.",
    "provider-on": "You can sign in there from now on.",
    "provider-off": "The provider is disconnected.",
    "key-disabled": "The key is disabled, for ever. It stops working everywhere within 5 seconds.",
    "payment-soon": "Thank you. Your payment method is taken as soon as the provider confirms it.",
    "saved": "Saved.",
    "alert-added": "The spend alert is set.",
    "alert-removed": "The spend alert is removed.",
    "invited": "A mail is on its way. The person becomes a member when they accept.",
    "withdrawn": "The invitation is withdrawn. Its link no longer works.",
    "member-changed": "The member's role is changed.",
    "member-removed": "The member is removed.",
    "untaught": "The feedback is taken back.",
    "taught": "Thank you. The print's baseline has learned it.",
    "feedback-deleted": "The feedback and its pictures are deleted.",
    "months-closed": "The months that were over are closed. Their invoices are below.",
    "nothing-to-close": "Nothing was closed: every month that is over had been closed before.",
    "not-all-closed": "Not every account could be closed. The server's log says which, and why.",
    "paid": "The payment is booked.",
    "credited": "The credit note is issued.",
    "model-step": "The step is taken. Every server follows within 15 seconds.",
    "asked": "Asked. The print's card says when the printer has done it, or why not.",
    "reviewed": "Thank you. On to the next picture.",
}

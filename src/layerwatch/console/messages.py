"""What the console says after a form was taken. Pages name a message by its key, so that a crafted link
cannot put words into our mouth."""

from __future__ import annotations

SAID = {
    "signed-out": "You are signed out.",
    "check-mail": "If this address can be used, a mail is on its way. Open the link in it.",
    "verified": "Your address is verified.",
    "password-set": "Your password is set. Sign in with it.",
    "password-changed": "Your password is changed. Other browsers were signed out.",
    "others-out": "Every other browser was signed out.",
    "codes-on": "One-time codes are on. You will be asked for one when you sign in.",
    "codes-off": "One-time codes are off.",
    "provider-on": "You can sign in there from now on.",
    "provider-off": "That sign-in leads here no more.",
    "key-disabled": "The key is disabled, for ever. It stops working everywhere within 5 seconds.",
    "payment-soon": "Thank you. Your payment method is taken as soon as the provider confirms it.",
    "saved": "Saved.",
    "alert-added": "The spend alert is set.",
    "alert-removed": "The spend alert is removed.",
    "invited": "Invited. A mail is on its way.",
    "member-changed": "The member's role is changed.",
    "member-removed": "The member is removed.",
    "taught": "Thank you. The print's baseline has learned it.",
    "feedback-deleted": "The feedback and its pictures are deleted.",
    "month-closed": "The month is closed. Its invoices are below.",
    "paid": "The payment is booked.",
    "credited": "The credit note is issued.",
    "reviewed": "Thank you. On to the next picture.",
}

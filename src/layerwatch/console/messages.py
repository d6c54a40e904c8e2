"""What the console says after a form was taken. Pages name a message by its key, so that a crafted link
cannot put words into our mouth."""

from __future__ import annotations

from layerwatch.core.languages import marked

MESSAGES = {
    "sign-in-ended": marked(
        "Your sign-in has ended. Sign in again to continue; your last input was not saved."
    ),
    "signed-out": marked("You are signed out."),
    "check-mail": marked("If this address can be used, a mail is on its way. Open the link in it."),
    "verified": marked("Your address is verified."),
    "accepted": marked("You are now a member. Choose an account below."),
    "user-deleted": marked("The user is deleted."),
    "codes-reset": marked("The user's one-time codes are off. The user was notified by mail."),
    "password-set": marked("Your password is set. Sign in with it."),
    "password-changed": marked("Your password is changed. Other browsers were signed out."),
    "others-out": marked("Every other browser was signed out."),
    "codes-off": marked("One-time codes are off."),
    "provider-on": marked("You can now sign in with this provider."),
    "provider-off": marked("The provider is disconnected."),
    "key-disabled": marked("The key is disabled permanently. It stops working everywhere within 5 seconds."),
    "payment-soon": marked("Thank you. Your payment method is saved as soon as the provider confirms it."),
    "saved": marked("Saved."),
    "alert-added": marked("The spend alert is set."),
    "alert-removed": marked("The spend alert is removed."),
    "channel-added": marked("The channel is added. Send a test to see whether it works."),
    "channel-removed": marked("The channel is removed."),
    "test-sent": marked("A test message is on its way. See the log below for the result."),
    "resent": marked("The event is being sent again."),
    "invited": marked("A mail is on its way. The person becomes a member when they accept."),
    "withdrawn": marked("The invitation is withdrawn. Its link no longer works."),
    "member-changed": marked("The member's role is changed."),
    "member-removed": marked("The member is removed."),
    "untaught": marked("The feedback is withdrawn."),
    "taught": marked("Thank you. The print's baseline is updated."),
    "print-deleted": marked("The print and all its data are deleted."),
    "pictures-deleted": marked("The pictures are deleted."),
    "feedback-deleted": marked("The feedback and its pictures are deleted."),
    "months-closed": marked("All past months are closed. Their invoices are below."),
    "nothing-to-close": marked("Nothing to close: all past months are closed already."),
    "not-all-closed": marked("Not every account could be closed. See the server's log for details."),
    "paid": marked("The payment is booked."),
    "credited": marked("The credit note is issued."),
    "levels-set": marked("The levels are set, starting with the next picture."),
    "model-step": marked("Done. Every server follows within 15 seconds."),
    "asked": marked("Sent. The print's card shows when the printer has done it, or why it failed."),
    "watching": marked("Watching has started. A print appears here with its first picture."),
    "reviewed": marked("Thank you. Next picture."),
}

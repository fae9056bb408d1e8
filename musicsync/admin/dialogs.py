"""Asking first: buttons on a row's page, and actions on lists that take something away.

All act on POST alone, so that no link sets anything going.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from musicsync.admin.plain import PlainAdmin
from musicsync.admin.show import link_address

_CONFIRMED = "confirmed"
_REPEATED = ("action", "select_across", ACTION_CHECKBOX_NAME)


def button(
    label: str,
    question: str,
    *,
    permission: str,
    icon: str,
    variant: ActionVariant = ActionVariant.DEFAULT,
    form_class: type[BaseDialogForm] = BaseDialogForm,
) -> Callable[[Callable[..., None]], Any]:
    """Make a method ``(request, row)`` a button on the row's page that asks the question first.

    What the form asks for besides is given to the method by the names of its fields.
    """
    asked = form_class.declared_fields.keys() - BaseDialogForm.declared_fields.keys()

    def decorate(act: Callable[..., None]) -> Any:
        def submit(
            model_admin: PlainAdmin, request: HttpRequest, form: BaseDialogForm, object_id: str
        ) -> HttpResponseBase:
            row = model_admin.get_object(request, object_id)
            if row is None:
                raise Http404(f"no {model_admin.opts.verbose_name} {object_id}")
            act(model_admin, request, row, **{name: form.cleaned_data[name] for name in asked})
            return _to(request, link_address(row))

        submit.__name__ = act.__name__
        return action(
            description=label,
            permissions=[permission],
            icon=icon,
            variant=variant,
            dialog={"title": label, "description": question, "form_class": form_class, "form_submit_text": label},
        )(submit)

    return decorate


def confirmation(model_admin: PlainAdmin, request: HttpRequest, title: str, question: str) -> HttpResponseBase | None:
    """Return the page that asks before an action on a list is carried out; ``None`` where it was asked already.

    Its form sends once more what the list sent, so that "select all" chooses by the list's filters then, too.
    """
    if _CONFIRMED in request.POST:
        return None
    said = [(name, value) for name in _REPEATED for value in request.POST.getlist(name)]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "question": question,
        "opts": model_admin.opts,
        "repeated": [*said, ("index", "0"), (_CONFIRMED, "yes")],
    }
    return TemplateResponse(request, "musicsync/confirm.html", context)


def _to(request: HttpRequest, address: str) -> HttpResponseBase:
    """Lead back to a page, as a browser or the script that sent the dialog's form follows it."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)

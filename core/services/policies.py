"""AccountService: policies and the list of subprocessors. Open to everybody."""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from grpc import aio

from core.catalog.entries import Catalogue
from core.errors import GatewayError, Reason
from core.legal.publishing import Policies
from core.legal.subprocessors import Service, Subprocessor, subprocessors
from core.legal.versions import Published
from core.services import cursors
from core.services.convert import timestamp
from reapi.v1 import account_pb2, account_service_pb2

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_NAME: Final = re.compile(r"policies/([a-z][a-z0-9-]{0,40})\Z")


class PolicyCalls:
    """Reads of policies, and of who data may reach by the catalogue as it is now.

    *told* are the companies that the operator names.
    """

    def __init__(
        self,
        policies: Policies,
        catalogue: Catalogue,
        services: Sequence[Service],
        told: Sequence[Subprocessor] = (),
    ) -> None:
        self._policies = policies
        self._services = services
        self._told = told
        self.use(catalogue)

    def use(self, catalogue: Catalogue) -> None:
        """List the providers of another catalogue from now on."""
        self._subprocessors = subprocessors(catalogue, self._services, self._told)

    async def ListPolicies(
        self, request: account_service_pb2.ListPoliciesRequest, context: Context
    ) -> account_service_pb2.ListPoliciesResponse:
        """One page of current and coming versions, by name, without their texts."""
        size = cursors.size_of(request.page_size)
        after = cursors.name_after(request.page_token, "policies")
        left = [each for each in self._policies.listed() if each.document.name > after]
        more = len(left) > size > 0
        return account_service_pb2.ListPoliciesResponse(
            policies=[_message(each) for each in left[:size]],
            next_page_token=cursors.name_token(left[size - 1].document.name, "policies")
            if more
            else "",
        )

    async def GetPolicy(
        self, request: account_service_pb2.GetPolicyRequest, context: Context
    ) -> account_service_pb2.GetPolicyResponse:
        """One version with its text; raises NOT_FOUND."""
        named = _NAME.match(request.name)
        found = None if named is None else self._policies.get(named[1], request.version)
        if found is None:
            raise GatewayError(Reason.NOT_FOUND, "No such policy.", metadata={"resource": "policy"})
        policy = _message(found)
        policy.markdown = self._policies.text(found)
        return account_service_pb2.GetPolicyResponse(policy=policy)

    async def ListSubprocessors(
        self, request: account_service_pb2.ListSubprocessorsRequest, context: Context
    ) -> account_service_pb2.ListSubprocessorsResponse:
        """One page, by name."""
        size = cursors.size_of(request.page_size)
        after = cursors.name_after(request.page_token, "subprocessors")
        left = [each for each in self._subprocessors if _place(each) > after]
        more = len(left) > size > 0
        return account_service_pb2.ListSubprocessorsResponse(
            subprocessors=[
                account_pb2.Subprocessor(
                    display_name=each.name, purpose=each.purpose, data=each.data, region=each.region
                )
                for each in left[:size]
            ],
            next_page_token=cursors.name_token(_place(left[size - 1]), "subprocessors")
            if more
            else "",
        )


def _place(each: Subprocessor) -> str:
    """Where it stands in the list: as it sorts."""
    return "\0".join(each)


def _message(each: Published) -> account_pb2.Policy:
    document = each.document
    return account_pb2.Policy(
        name=f"policies/{document.policy_id}",
        version=str(document.version),
        title=document.title,
        effective_time=timestamp(each.effective_at),
    )

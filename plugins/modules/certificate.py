#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""States one certificate. The work is in module_utils: _model knows the options, _certificates checks them, _resource does the rest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: State a certificate of a load balancer
version_added: 0.1.0
author:
  - The Tandem authors (@tandem-lb)
description:
  - A certificate with its private key, which frontends show to clients, and backends to servers that ask for one. It is given as a text, as a file of
    the controller, or as a path on the node.
  - It is checked before anything changes, in check mode too. The key must fit, each certificate of the chain must be issued by the next, and it
    must not be over. In its last 14 days there is a warning.
  - A renewed certificate is in use without a restart and without a closed connection.
  - Private keys lie on the nodes in files that only the proxy's account can read. They are in no diff, no result and no log, and neither are texts
    in PEM. What is shown are subject, names, issuer, validity and SHA-256.
options:
  load_balancer:
    description:
      - The load balancer that the certificate belongs to.
    type: str
    required: true
  name:
    description:
      - The certificate's name, unique within its load balancer, by which frontends and backends refer to it. It need not
        be a host name.
    type: str
    required: true
  certificate:
    description:
      - The certificate in PEM, followed by those that lead to its authority, each issued by the next. The authority's own
        may be left out.
    type: str
  certificate_file:
    description:
      - The same, read from a file of the controller. Relative paths are looked for as those of M(ansible.builtin.copy) are.
        The file may be encrypted with Ansible Vault. Mutually exclusive with O(certificate).
    type: str
  private_key:
    description:
      - The private key of the certificate in PEM, not encrypted. Keep the text in Ansible Vault. Left out it stays, so that
        a certificate can be renewed with the same key.
    type: str
  private_key_file:
    description:
      - The same, read from a file of the controller, as O(certificate_file) is. Mutually exclusive with O(private_key).
    type: str
  certificate_path:
    description:
      - The absolute path of such a text on the node, where another program renews it. The account C(tandem-proxy) must be
        able to read it. It takes the place of O(certificate) and O(private_key), and these take its place.
    type: str
  private_key_path:
    description:
      - The absolute path of the private key on the node. It may be the same file.
    type: str
  watch:
    description:
      - Whether the files of O(certificate_path) and O(private_key_path) are looked at again and again, and used within a
        minute once they are renewed. Without it they are read when the proxy is started or told of a change.
      - On creation the default is V(false).
    type: bool
  state:
    description:
      - V(present) makes the certificate be as stated. V(absent) removes it, which is refused while a frontend or backend
        uses it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - tandem.lb.node
  - tandem.lb.change
seealso:
  - module: tandem.lb.frontend
  - module: tandem.lb.backend
  - module: tandem.lb.config
"""

EXAMPLES = r"""
- name: From files of the controller
  tandem.lb.certificate:
    load_balancer: edge
    name: shop
    certificate_file: shop.example.com.pem
    private_key_file: shop.example.com.key

- name: From variables, with the key in Ansible Vault
  tandem.lb.certificate:
    load_balancer: edge
    name: blog
    certificate: "{{ blog_certificate }}"
    private_key: "{{ vault_blog_key }}"

- name: From files of the node, and again when they are renewed there
  tandem.lb.certificate:
    load_balancer: edge
    name: shop
    certificate_path: /etc/tandem/renewed/shop.pem
    private_key_path: /etc/tandem/renewed/shop.pem
    watch: true

- name: Remove it, and its key from the nodes
  tandem.lb.certificate:
    load_balancer: edge
    name: shop
    state: absent
"""

RETURN = r"""
object:
  description:
    - The certificate with every option, null where there is none. C(certificate) is what it says of itself, C(private_key) the fingerprint of the
      key.
  returned: success
  type: dict
  sample:
    load_balancer: edge
    name: shop
    certificate:
      subject: CN=shop.example.com
      names: [shop.example.com, www.shop.example.com]
      issuer: CN=R11,O=Let's Encrypt,C=US
      not_before: "2026-10-01T00:00:00Z"
      not_after: "2026-12-30T00:00:00Z"
      sha256: 7d0a3ab0a1d4d1f7b26f1cde2b0f8e0d52d0cbb0a4a1e1a9e2f6f0d5b3c49a11
      chain: ["CN=R11,O=Let's Encrypt,C=US, until 2027-03-12T23:59:59Z, sha256 591e9ce6c863d3a079e9fabe1478c7339a26b21269dde795211361024ae31a44"]
    private_key: key-5f0c1b5de0a14b4f9a0c6f2f9d1b7e33
    certificate_path: ""
    private_key_path: ""
    watch: false
generation:
  description: The generation of the document; in check mode the one that would come.
  returned: success
  type: int
  sample: 4
digest:
  description: SHA-256 of all objects. Nodes that hold the same objects have the same digest.
  returned: success
  type: str
  sample: 3f1c6f1ffb6a1f6a0f5d0a3a1de7e8a2a6c1b2d9b7f1f3b6c0f5e9d8a7b6c5d4
problems:
  description: What is wrong, each with C(where), C(option), C(value), C(rule) and C(way_out); or the reasons of the runtime.
  returned: failure
  type: list
  elements: raw
"""

from ansible_collections.tandem.lb.plugins.module_utils import _floor  # noqa: F401  pylint: disable=unused-import
from ansible_collections.tandem.lb.plugins.module_utils._model import Certificate
from ansible_collections.tandem.lb.plugins.module_utils._resource import run_object


def main() -> None:
    run_object(Certificate)


if __name__ == "__main__":
    main()

/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry_credentials.h"

void registry_credentials_write(struct json_writer *w, const struct resolved_pod *pod)
{
    if (pod->credential_count == 0)
        return;
    json_begin_array(w, "imageRegistryCredentials");
    for (size_t i = 0; i < pod->credential_count; i++) {
        const struct registry_credential *c = &pod->credentials[i];
        json_begin_object(w, NULL);
        json_put_string(w, "server", c->server);
        json_put_string(w, "username", c->username);
        if (c->password)
            json_put_str(w, "password", vk_secret_reveal(c->password));
        json_end_object(w);
    }
    json_end_array(w);
}

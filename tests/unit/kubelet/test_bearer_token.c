/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/bearer_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "GET /exec/a/b/c?command=x HTTP/1.1\r\nHost: a\r\n"
#define SOCKET HEAD "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
#define LIST "Sec-WebSocket-Protocol: "
#define TOKEN "base64url.bearer.authorization.k8s.io." /* and "c2VjcmV0" for "secret" */

/* Reads the token of a whole request; fails on a request that is none. */
static int read_token(const char *request, struct vk_secret *token, struct vk_err *err)
{
    struct http1_parser *parser = http1_parser_new();
    struct vk_str in = vk_str_of(request), body;
    int rc;

    assert_int_equal(http1_parser_feed(parser, &in, &body), HTTP1_HEAD);
    rc = bearer_token_read(http1_parser_head(parser), token, err);
    http1_parser_free(parser);
    return rc;
}

static void tokens_are_found_where_the_kubelet_looks(void **state)
{
    static const struct {
        const char *request, *token;
    } table[] = {
        {HEAD "\r\n", ""},
        {HEAD "Authorization: Bearer a.b-c\r\n\r\n", "a.b-c"},
        {HEAD "authorization:   bEARER t \r\n\r\n", "t"},
        {HEAD "Authorization: Bearer t and more\r\n\r\n", "t"},
        {HEAD "Authorization: Bearer  t\r\n\r\n", ""},
        {HEAD "Authorization: Bearer\r\n\r\n", ""},
        {HEAD "Authorization: Bearert\r\n\r\n", ""},
        {HEAD "Authorization: Basic dXNlcjpwYXNz\r\n\r\n", ""},
        {HEAD "Authorization: Basic x\r\nAuthorization: Bearer t\r\n\r\n", ""},
        {SOCKET LIST "v4.channel.k8s.io\r\n\r\n", ""},
        {SOCKET LIST TOKEN "c2VjcmV0, v4.channel.k8s.io\r\n\r\n", "secret"},
        {SOCKET LIST "v5.channel.k8s.io,v4.channel.k8s.io," TOKEN "c2VjcmV0\r\n\r\n", "secret"},
        {SOCKET LIST "v4.channel.k8s.io\r\n" LIST TOKEN "c2VjcmV0\r\n\r\n", "secret"},
        {SOCKET LIST TOKEN "Pz8_Pj4-\r\n" LIST "x\r\n\r\n", "?\?\?>>>"},
        {SOCKET LIST TOKEN ",x\r\n\r\n", ""},
        /* Not a websocket: the list says nothing. */
        {HEAD LIST TOKEN "c2VjcmV0, x\r\n\r\n", ""},
        {HEAD "Connection: upgrade\r\nUpgrade: SPDY/3.1\r\n" LIST TOKEN "c2VjcmV0, x\r\n\r\n", ""},
        {HEAD "Upgrade: websocket\r\n" LIST TOKEN "c2VjcmV0, x\r\n\r\n", ""},
        {SOCKET "Authorization: Bearer t\r\n" LIST TOKEN "c2VjcmV0, x\r\n\r\n", "t"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct vk_secret token = {0};
        struct vk_err err;

        print_message("%s\n", table[i].request);
        assert_int_equal(read_token(table[i].request, &token, &err), 0);
        assert_true(vk_str_is(vk_secret_reveal(&token), table[i].token));
        vk_secret_release(&token);
    }
}

static void subprotocols_that_are_no_token_are_refused(void **state)
{
    static const char *const table[] = {
        SOCKET LIST TOKEN "c2VjcmV0\r\n\r\n",
        SOCKET LIST TOKEN "c2VjcmV0," TOKEN "c2VjcmV0,x\r\n\r\n",
        SOCKET LIST TOKEN ",x," TOKEN "c2VjcmV0\r\n\r\n",
        SOCKET LIST TOKEN "c2VjcmV0==,x\r\n\r\n",
        SOCKET LIST TOKEN "c2Vjc+V0,x\r\n\r\n",
        SOCKET LIST TOKEN "c2VjcmV0!,x\r\n\r\n",
        SOCKET LIST TOKEN "x,x\r\n\r\n",
        SOCKET LIST TOKEN "_w,x\r\n\r\n", /* a byte that is no UTF-8 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct vk_secret token = {0};
        struct vk_err err;

        print_message("%s\n", table[i]);
        assert_int_equal(read_token(table[i], &token, &err), -VK_UNAUTHENTICATED);
        assert_true(vk_secret_is_empty(&token));
        assert_null(strstr(err.msg, "c2V"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_found_where_the_kubelet_looks),
        cmocka_unit_test(subprotocols_that_are_no_token_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* embed: what is looked for by name. That the bytes are the files' is tested
 * where a page is built in (test_console, test_crew_page). */
#include "embed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void found_by_its_whole_name(void **state)
{
    (void)state;
    static const struct embed_file two[] = {
        {.name = "a.js"},
        {.name = "b.css"},
    };
    const struct embed_files files = {two, 2};
    const struct embed_files none = {two, 0};
    assert_ptr_equal(embed_find(&files, "a.js"), &two[0]);
    assert_ptr_equal(embed_find(&files, "b.css"), &two[1]);
    assert_null(embed_find(&files, "a.j"));
    assert_null(embed_find(&files, "a.js.map"));
    assert_null(embed_find(&files, ""));
    assert_null(embed_find(&none, "a.js"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "pt_err.h"

const char *pt_strerror(enum pt_err err)
{
    static const char *const text[PT_E_COUNT] = {[PT_OK] = "success",
#define PT_ERR_TEXT(name, words) [name] = (words),
                                                 PT_ERRORS(PT_ERR_TEXT)
#undef PT_ERR_TEXT
    };

    if ((unsigned)err >= PT_E_COUNT)
        return "unknown error";
    return text[err];
}
